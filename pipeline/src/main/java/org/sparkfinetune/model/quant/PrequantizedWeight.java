package org.sparkfinetune.model.quant;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.quant.Absmax.PlainAbsmax;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.TensorSpec;

/**
 * A linear layer's weight as bitsandbytes stores it in a checkpoint: all but the packed bytes,
 * which stay where they are and are read or mapped under the weight's own name, in ranges.
 *
 * @param name of the weight, as {@code model.layers.0.mlp.up_proj.weight}
 * @param dtype it had before: BF16, F16 or F32
 * @param shape it had before, rows first
 */
@SuppressWarnings("ArrayRecordComponent")
public record PrequantizedWeight(String name, DType dtype, long[] shape, Absmax absmax) {
  private static final String STATE = ".quant_state.bitsandbytes__";
  private static final int MAX_STATE_BYTES = 4096;

  /** How the packed bytes are declared; the bytes are the same. */
  public enum Storage {
    UINT8(DType.U8),
    /** What FSDP in PyTorch needs, which shards tensors of one type only. */
    BFLOAT16(DType.BF16);

    private final DType dtype;

    Storage(DType dtype) {
      this.dtype = dtype;
    }
  }

  public PrequantizedWeight {
    long blocks = (elements(shape) + Nf4Codec.BLOCK - 1) / Nf4Codec.BLOCK;
    if (absmax.blocks() != blocks) {
      throw new Bug(
          "%s of shape %s came with %s blocks."
              .formatted(name, Arrays.toString(shape), absmax.blocks()));
    }
  }

  /** Whether the checkpoint holds the weight quantised, by any of bitsandbytes' 4-bit types. */
  public static boolean in(Checkpoint checkpoint, String name) {
    return checkpoint.names().contains(name + STATE + "nf4")
        || checkpoint.names().contains(name + STATE + "fp4");
  }

  /**
   * The shape before it was quantised, without reading the constants.
   *
   * @throws UserError if it is quantised in another way than to NF4
   */
  public static long[] shape(Checkpoint checkpoint, String name) {
    QuantState state = state(checkpoint, name);
    new PrequantizedReader(checkpoint, name).checkPacked((elements(state.shape()) + 1) / 2);
    return state.shape();
  }

  /**
   * Reads and checks everything but the packed bytes.
   *
   * @throws UserError if the weight is quantised in another way, or its tensors do not fit together
   */
  public static PrequantizedWeight read(Checkpoint checkpoint, String name) {
    QuantState state = state(checkpoint, name);
    PrequantizedReader reader = new PrequantizedReader(checkpoint, name);
    long elements = elements(state.shape());
    reader.checkPacked((elements + 1) / 2);
    reader.checkQuantMap();
    int blocks = reader.toInt((elements + Nf4Codec.BLOCK - 1) / Nf4Codec.BLOCK);
    return new PrequantizedWeight(
        name, state.dtype(), state.shape(), reader.absmax(blocks, state.nestedOffset()));
  }

  private static QuantState state(Checkpoint checkpoint, String name) {
    String stateName = name + STATE + "nf4";
    if (!checkpoint.names().contains(stateName)) {
      throw new UserError(
          "%s has no %s: supported are checkpoints that bitsandbytes quantised to NF4."
              .formatted(checkpoint.where(name), stateName));
    }
    return QuantState.parse(
        checkpoint.where(stateName) + ": " + stateName,
        new PrequantizedReader(checkpoint, name).bytes(STATE + "nf4", MAX_STATE_BYTES));
  }

  /** Bytes of the packed weight. */
  public long packedBytes() {
    return (elements(shape) + 1) / 2;
  }

  /** How the packed bytes are to be declared. */
  public TensorSpec packedSpec(Storage storage) {
    long width = storage.dtype.bytes();
    if (packedBytes() % width != 0) {
      throw new UserError(
          "%s has %s packed bytes, which %s storage cannot hold; use UINT8."
              .formatted(name, packedBytes(), storage));
    }
    return new TensorSpec(name, storage.dtype, packedBytes() / width, 1);
  }

  /**
   * A small tensor that belongs to the weight.
   *
   * @param bytes its content, little endian
   */
  public record Part(TensorSpec spec, ByteBuffer bytes) {}

  /** Everything but the packed bytes, as bitsandbytes names it. */
  public List<Part> parts() {
    List<Part> parts = new ArrayList<>();
    if (absmax instanceof NestedAbsmax nested) {
      if (nested.phase() != 0) {
        throw new Bug("A slice of " + name + " was to be written as if it were the whole.");
      }
      parts.add(part(".absmax", DType.U8, nested.codes()));
      parts.add(part(".nested_absmax", nested.absmax2()));
      parts.add(part(".nested_quant_map", nested.map()));
    } else if (absmax instanceof PlainAbsmax plain) {
      parts.add(part(".absmax", plain.values()));
    }
    parts.add(part(".quant_map", Nf4.values()));
    parts.add(part(STATE + "nf4", DType.U8, state().getBytes(StandardCharsets.UTF_8)));
    return parts;
  }

  private String state() {
    Optional<Float> offset =
        absmax instanceof NestedAbsmax nested ? Optional.of(nested.offset()) : Optional.empty();
    return new QuantState(dtype, shape, offset).json();
  }

  private Part part(String suffix, float[] values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES);
    Floats.fromFloats(DType.F32, values, 0, values.length, bytes);
    return part(suffix, DType.F32, bytes.array());
  }

  private Part part(String suffix, DType type, byte[] bytes) {
    return new Part(
        new TensorSpec(name + suffix, type, bytes.length / type.bytes()), ByteBuffer.wrap(bytes));
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PrequantizedWeight that
        && name.equals(that.name)
        && dtype == that.dtype
        && Arrays.equals(shape, that.shape)
        && absmax.equals(that.absmax);
  }

  @Override
  public int hashCode() {
    return name.hashCode();
  }

  private static long elements(long[] shape) {
    return Arrays.stream(shape).reduce(1, Math::multiplyExact);
  }
}
