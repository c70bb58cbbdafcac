package org.sparkfinetune.engine.tensor;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.engine.tensor.OnDevice.DropoutChance;
import org.sparkfinetune.engine.tensor.OnDevice.DropoutRow;
import org.sparkfinetune.engine.tensor.Ops.Nf4Piece;
import org.sparkfinetune.engine.tensor.Ops.Nf4Tables;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;

/**
 * {@code kernels.cu} on a GPU: what takes operators of libtorch's many passes over memory, in one.
 * Bits are those of the scripts.
 */
final class CudaKernels {
  /** Elements of a thread. */
  private static final int ELEMENTS = 8;

  private static final Logger LOG = LoggerFactory.getLogger(CudaKernels.class);

  private final CudaDriver driver;
  private final CudaDriver.Kernel decodeNf4;
  private final CudaDriver.Kernel dropoutMask;

  CudaKernels(CudaDriver driver, byte[] cubin) {
    this.driver = driver;
    CudaDriver.Module module = driver.load(cubin);
    this.decodeNf4 = module.kernel("decode_nf4");
    this.dropoutMask = module.kernel("dropout_mask");
  }

  /** For a GPU; none elsewhere, and where they cannot be compiled or loaded: scripts do it then. */
  static Optional<CudaKernels> of(ComputeDevice device) {
    if (!(device instanceof ComputeDevice.Cuda cuda)) {
      return Optional.empty();
    }
    try {
      CudaDriver driver = CudaDriver.open(cuda);
      byte[] cubin =
          Nvrtc.find(System.getenv()).compile(source(), "kernels.cu", driver.architecture());
      LOG.info("{}: kernels were compiled for {}.", device.text(), driver.architecture());
      return Optional.of(new CudaKernels(driver, cubin));
    } catch (RunFailure | UnsatisfiedLinkError e) {
      LOG.warn(
          "{}: NF4 is decoded by operators, about five times as slow, and dropout is drawn from libtorch's generator, so a run that used kernels before does not go on bit for bit: {}",
          device.text(),
          e.getMessage());
      return Optional.empty();
    }
  }

  static String source() {
    try (InputStream text = CudaKernels.class.getResourceAsStream("kernels.cu")) {
      if (text == null) {
        throw new Bug("kernels.cu is missing beside " + CudaKernels.class.getName() + ".");
      }
      return new String(text.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** As {@link OnDevice#decodeNf4}. */
  void decodeNf4(Tensor out, Nf4Piece piece, Nf4Tables tables) {
    Pointer bytes = address(piece.bytes());
    launch(
        decodeNf4,
        piece.weights(),
        address(out).share(piece.to() * out.type().bytes()),
        isBfloat16(out),
        piece.weights(),
        bytes.share(piece.codesAt()),
        bytes.share(piece.absmaxAt()),
        bytes.share(piece.constantsAt()),
        piece.phase(),
        address(tables.quads()),
        address(tables.absmax()));
  }

  /** As {@link OnDevice#dropoutMask}, for one row. */
  void dropoutMask(Tensor mask, DropoutRow row, DropoutChance chance) {
    launch(
        dropoutMask,
        row.count(),
        address(mask).share(row.from() * mask.type().bytes()),
        isBfloat16(mask),
        row.count(),
        row.low(),
        row.high(),
        chance.threshold(),
        chance.keep());
  }

  private void launch(CudaDriver.Kernel kernel, long elements, Object... arguments) {
    driver.launch(kernel, (elements + ELEMENTS - 1) / ELEMENTS, arguments);
  }

  private static int isBfloat16(Tensor x) {
    return x.type() == ElementType.BFLOAT16 ? 1 : 0;
  }

  /** Where a contiguous tensor's memory begins, on whatever device it lies. */
  static Pointer address(Tensor x) {
    PointerByReference address = new PointerByReference();
    Pointer handle = new Pointer(x.array().getHandle());
    int error = Libtorch.INSTANCE.aoti_torch_get_data_ptr(handle, address);
    if (error != 0) {
      throw new Bug("libtorch does not tell a tensor's address: error " + error);
    }
    return address.getValue();
  }

  /**
   * libtorch's own interface in C, which it keeps stable for compiled models (torch/csrc/inductor/
   * aoti_torch/c/shim.h). It is loaded when a tensor is there, so its name is enough.
   */
  interface Libtorch extends Library {
    Libtorch INSTANCE = Native.load("libtorch_cpu.so", Libtorch.class);

    int aoti_torch_get_data_ptr(Pointer tensor, PointerByReference address);
  }
}
