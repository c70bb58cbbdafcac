package org.sparkfinetune.model.quant;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Optional;
import java.util.Set;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.quant.Absmax.PlainAbsmax;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.TensorInfo;

/** Reads the small tensors of one pre-quantised weight and checks that they fit together. */
final class PrequantizedReader {
  private static final Set<DType> STORAGES = Set.of(DType.U8, DType.BF16, DType.F16, DType.F32);

  /** Between the values that bitsandbytes wrote over the years there is no more than rounding. */
  private static final float TOLERANCE = 1e-6f;

  private final Checkpoint checkpoint;
  private final String name;

  PrequantizedReader(Checkpoint checkpoint, String name) {
    this.checkpoint = checkpoint;
    this.name = name;
  }

  /** A U8 tensor of at most {@code max} bytes. */
  byte[] bytes(String suffix, int max) {
    TensorInfo info = checkpoint.info(name + suffix);
    if (info.dtype() != DType.U8 || info.byteCount() > max) {
      throw wrong(info, "U8 of at most " + max + " elements");
    }
    return content(info);
  }

  void checkPacked(long bytes) {
    TensorInfo info = checkpoint.info(name);
    if (!STORAGES.contains(info.dtype()) || info.byteCount() != bytes) {
      throw wrong(info, bytes + " packed bytes");
    }
  }

  void checkQuantMap() {
    float[] map = floats(".quant_map", Nf4.CODES);
    for (int code = 0; code < Nf4.CODES; code++) {
      if (!(Math.abs(map[code] - Nf4.value(code)) <= TOLERANCE)) {
        throw new UserError(
            "%s: %s.quant_map has %s for code %s, where NF4 has %s."
                .formatted(checkpoint.where(name), name, map[code], code, Nf4.value(code)));
      }
    }
  }

  Absmax absmax(int blocks, Optional<Float> nestedOffset) {
    if (nestedOffset.isEmpty()) {
      return new PlainAbsmax(finite(".absmax", floats(".absmax", blocks)));
    }
    byte[] codes = bytes(".absmax", blocks);
    if (codes.length != blocks) {
      throw wrong(checkpoint.info(name + ".absmax"), "U8 of " + blocks + " elements");
    }
    return new NestedAbsmax(
        codes,
        finite(".nested_absmax", floats(".nested_absmax", NestedAbsmax.groups(blocks))),
        nestedOffset.get(),
        0,
        finite(".nested_quant_map", floats(".nested_quant_map", NestedAbsmax.GROUP)));
  }

  /** As an array's length, which a tensor of more than 128 billion weights would exceed. */
  int toInt(long blocks) {
    if (blocks > Integer.MAX_VALUE - NestedAbsmax.GROUP) {
      throw new UserError(checkpoint.where(name) + ": " + name + " is too large.");
    }
    return (int) blocks;
  }

  private float[] floats(String suffix, int count) {
    TensorInfo info = checkpoint.info(name + suffix);
    if (info.dtype() != DType.F32 || info.elements() != count) {
      throw wrong(info, "F32 of " + count + " elements");
    }
    float[] values = new float[count];
    Floats.toFloats(DType.F32, ByteBuffer.wrap(content(info)), values, 0, count);
    return values;
  }

  private float[] finite(String suffix, float[] values) {
    for (float value : values) {
      if (!Float.isFinite(value)) {
        throw new UserError(
            "%s: %s%s holds %s; the checkpoint is broken."
                .formatted(checkpoint.where(name), name, suffix, value));
      }
    }
    return values;
  }

  private byte[] content(TensorInfo info) {
    byte[] content = new byte[(int) info.byteCount()];
    checkpoint.read(info.name(), 0, ByteBuffer.wrap(content));
    return content;
  }

  private UserError wrong(TensorInfo found, String expected) {
    return new UserError(
        "%s: %s is %s %s, expected %s."
            .formatted(
                checkpoint.where(name),
                found.name(),
                found.dtype(),
                Arrays.toString(found.shape()),
                expected));
  }
}
