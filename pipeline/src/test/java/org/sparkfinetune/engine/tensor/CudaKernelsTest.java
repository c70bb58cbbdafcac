package org.sparkfinetune.engine.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.engine.tensor.OnDevice.DropoutChance;
import org.sparkfinetune.engine.tensor.OnDevice.DropoutRow;
import org.sparkfinetune.engine.tensor.Ops.Nf4Piece;
import org.sparkfinetune.engine.tensor.Ops.Nf4Tables;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.model.quant.Nf4Codec.Nf4Lookup;

/**
 * All of a kernel's way but the GPU: addresses, arguments and grids reach a driver that does on the
 * host's memory what {@code kernels.cu} says, thread by thread.
 */
class CudaKernelsTest {
  private static final ComputeDevice.Cuda GPU = new ComputeDevice.Cuda(3);

  private static Torch torch;
  private static Ops ops;

  private final FakeDriver driver = new FakeDriver();

  @BeforeAll
  static void start() {
    torch = Torch.start(1);
    ops = new Ops(torch);
  }

  @AfterAll
  static void stop() {
    torch.close();
  }

  private CudaKernels kernels() {
    return new CudaKernels(new CudaDriver(driver, GPU), new byte[] {1});
  }

  @ParameterizedTest
  @EnumSource(
      value = ElementType.class,
      names = {"FLOAT32", "BFLOAT16"})
  void nf4_is_decoded_to_the_scripts_bits(ElementType type) {
    try (Scope scope = torch.scope()) {
      // A piece in the middle of a tensor: 70 blocks, the last in part, from block 250 of a group.
      int blocks = 70;
      int weights = 64 * blocks - 37;
      int codesAt = 64;
      int absmaxAt = codesAt + 32 * blocks + 3;
      int constantsAt = (absmaxAt + blocks + 3) / 4 * 4;
      Tensor bytes = ops.zeros(scope, ElementType.UINT8, constantsAt + 12);
      ByteBuffer memory = bytes.bytes();
      byte[] random = new byte[constantsAt];
      new Random(3).nextBytes(random);
      memory.put(0, random);
      memory.putFloat(constantsAt, 0.4f).putFloat(constantsAt + 4, 3).putFloat(constantsAt + 8, 7);
      Nf4Tables tables = tables(scope);
      Nf4Piece piece =
          new Nf4Piece(bytes, codesAt, absmaxAt, constantsAt, blocks, 250, 128, weights);
      Tensor script = ops.zeros(scope, type, 5000);
      Tensor kernel = ops.zeros(scope, type, 5000);
      ops.onDevice().decodeByScript(scope, script, piece, tables);
      kernels().decodeNf4(kernel, piece, tables);
      assertThat(bytes(kernel)).isEqualTo(bytes(script));
      assertThat(bytes(script)).isNotEqualTo(bytes(ops.zeros(scope, type, 5000)));
      assertThat(driver.launched).containsExactly("decode_nf4 x " + (weights + 7) / 8);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = ElementType.class,
      names = {"FLOAT32", "BFLOAT16"})
  void masks_have_the_scripts_bits(ElementType type) {
    try (Scope scope = torch.scope()) {
      DropoutChance chance = new DropoutChance(0.1, (int) (0.1 * (1 << 24)), (float) (1 / 0.9));
      DropoutRow row = new DropoutRow(21, 4097, 0x9123456789ABCDEFL);
      Tensor script = ops.zeros(scope, type, 5000);
      Tensor kernel = ops.zeros(scope, type, 5000);
      ops.onDevice().maskByScript(scope, script, row, chance);
      kernels().dropoutMask(kernel, row, chance);
      assertThat(bytes(kernel)).isEqualTo(bytes(script));
      assertThat(driver.launched).containsExactly("dropout_mask x 513");
    }
  }

  @Test
  void it_works_in_the_context_of_libtorchs_device() {
    assertThat(new CudaDriver(driver, GPU).architecture()).isEqualTo("sm_89");
    assertThat(driver.ordinal).isEqualTo(3);
    driver.context = null;
    masks_have_the_scripts_bits(ElementType.FLOAT32);
    assertThat(driver.context).isEqualTo(FakeDriver.CONTEXT);
  }

  @Test
  void what_the_driver_says_is_passed_on() {
    CudaKernels kernels = kernels();
    driver.result = 700;
    try (Scope scope = torch.scope()) {
      Tensor mask = ops.zeros(scope, ElementType.FLOAT32, 8);
      assertThatThrownBy(
              () -> kernels.dropoutMask(mask, new DropoutRow(0, 8, 1), new DropoutChance(0, 0, 1)))
          .isInstanceOf(RunFailure.class)
          .hasMessageStartingWith(
              "CUDA failed on GPU 3 (cuda:3), seen in dropout_mask, though the cause may be an earlier operator: CUDA driver error: cuCtxSetCurrent failed: an illegal memory access.")
          .matches(DeviceFailure::endsProcess, "ends the process");
    }
  }

  private static Nf4Tables tables(Scope scope) {
    return new Nf4Tables(
        ops.onDevice().nf4Quads(scope, ops.ofFloats(scope, Nf4Lookup.pairs(), 256, 2)),
        ops.ofFloats(scope, Nf4Lookup.absmax(), 256));
  }

  private static byte[] bytes(Tensor x) {
    ByteBuffer buffer = x.bytes();
    byte[] bytes = new byte[buffer.remaining()];
    buffer.get(bytes);
    return bytes;
  }

  /** Runs kernels on the host, where the addresses are valid too. */
  private static final class FakeDriver implements CudaDriver.Functions {
    static final Pointer CONTEXT = new Pointer(77);
    private static final List<String> NAMES = List.of("decode_nf4", "dropout_mask");

    private final List<String> launched = new ArrayList<>();
    private int ordinal;
    private Pointer context;
    private int result;

    @Override
    public int cuInit(int flags) {
      return 0;
    }

    @Override
    public int cuDeviceGet(IntByReference device, int which) {
      ordinal = which;
      device.setValue(which);
      return 0;
    }

    @Override
    public int cuDeviceGetAttribute(IntByReference value, int attribute, int device) {
      value.setValue(attribute == 75 ? 8 : 9);
      return 0;
    }

    @Override
    public int cuDevicePrimaryCtxRetain(PointerByReference own, int device) {
      own.setValue(CONTEXT);
      return 0;
    }

    @Override
    public int cuCtxSetCurrent(Pointer current) {
      context = current;
      return result;
    }

    @Override
    public int cuModuleLoadData(PointerByReference module, byte[] image) {
      module.setValue(new Pointer(image[0]));
      return 0;
    }

    @Override
    public int cuModuleGetFunction(PointerByReference function, Pointer module, String name) {
      function.setValue(new Pointer(1 + NAMES.indexOf(name)));
      return 0;
    }

    @Override
    public int cuGetErrorString(int error, PointerByReference text) {
      Memory message = new Memory(64);
      message.setString(0, "an illegal memory access");
      text.setValue(message);
      return 0;
    }

    @Override
    public int cuLaunchKernel(
        Pointer function,
        int gridX,
        int gridY,
        int gridZ,
        int blockX,
        int blockY,
        int blockZ,
        int sharedBytes,
        Pointer stream,
        Pointer parameters,
        Pointer extra) {
      assertThat(new int[] {gridY, gridZ, blockY, blockZ, sharedBytes})
          .containsExactly(1, 1, 1, 1, 0);
      assertThat(stream).isNull();
      String name = NAMES.get((int) Pointer.nativeValue(function) - 1);
      Arguments arguments = new Arguments(parameters);
      long threads = (arguments.number(2) + 7) / 8;
      assertThat((long) gridX * blockX).isBetween(threads, threads + blockX - 1);
      launched.add(name + " x " + threads);
      for (long at = 0; at < arguments.number(2); at++) {
        float x = name.equals("decode_nf4") ? weight(arguments, at) : factor(arguments, at);
        store(arguments, at, x);
      }
      return 0;
    }

    private static void store(Arguments arguments, long at, float x) {
      Pointer out = arguments.pointer(0);
      int bits = Float.floatToRawIntBits(x);
      if (arguments.integer(1) == 1) {
        out.setShort(2 * at, (short) ((bits + 0x7FFF + (bits >>> 16 & 1)) >>> 16));
      } else {
        out.setInt(4 * at, bits);
      }
    }

    private static float weight(Arguments arguments, long at) {
      long block = at / 64;
      Pointer constants = arguments.pointer(5);
      int nested = arguments.pointer(4).getByte(block) & 255;
      long group = (arguments.number(6) + block) / 256;
      float absmax =
          arguments.pointer(8).getFloat(4L * nested) * constants.getFloat(4 * (1 + group))
              + constants.getFloat(0);
      int packed = arguments.pointer(3).getByte(at / 2) & 255;
      int code = at % 2 == 0 ? packed >> 4 : packed & 15;
      return arguments.pointer(7).getFloat(4L * (4 * code + 1)) * absmax;
    }

    private static float factor(Arguments arguments, long at) {
      int h = ((int) at * 0x9E3779B1 + arguments.integer(3)) ^ arguments.integer(4);
      h = (h ^ h >>> 16) * 0x85EBCA6B;
      h = (h ^ h >>> 13) * 0xC2B2AE35;
      h ^= h >>> 16;
      return h >>> 8 >= arguments.integer(5) ? Float.intBitsToFloat(arguments.integer(6)) : 0;
    }

    /** Addresses of the arguments' values. */
    private record Arguments(Pointer addresses) {
      private Pointer at(int index) {
        return addresses.getPointer(8L * index);
      }

      long number(int index) {
        return at(index).getLong(0);
      }

      int integer(int index) {
        return at(index).getInt(0);
      }

      Pointer pointer(int index) {
        return at(index).getPointer(0);
      }
    }
  }
}
