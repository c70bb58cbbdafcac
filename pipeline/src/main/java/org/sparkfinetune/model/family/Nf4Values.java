package org.sparkfinetune.model.family;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.quant.PlainAbsmax;
import org.sparkfinetune.model.quant.PrequantizedWeight;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;

/** A weight that a checkpoint holds in NF4: what bitsandbytes' dequantize_4bit gives for it. */
final class Nf4Values implements WeightValues {
  private final PrequantizedWeight weight;
  private final Packed packed;
  private final Nf4Codec codec = Nf4Codec.fastest();

  /** Where the packed bytes are. */
  @FunctionalInterface
  interface Packed {
    void read(long firstByte, byte[] bytes);
  }

  Nf4Values(PrequantizedWeight weight, Packed packed) {
    this.weight = weight;
    this.packed = packed;
  }

  @Override
  public void read(long first, float[] out, int count) {
    byte[] bytes = new byte[(count + 1) / 2];
    packed.read(first / 2, bytes);
    ByteBuffer decoded = ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    decode(ByteBuffer.wrap(bytes), Math.toIntExact(first / Nf4Codec.BLOCK), count, decoded);
    decoded.asFloatBuffer().get(out, 0, count);
    if (weight.dtype() == DType.BF16) {
      for (int i = 0; i < count; i++) {
        out[i] = Floats.bf16ToFloat(Floats.floatToBf16(out[i]));
      }
    }
  }

  private void decode(ByteBuffer bytes, int block, int count, ByteBuffer out) {
    if (weight.absmax() instanceof NestedAbsmax nested) {
      codec.decodeToFloat32(bytes, 0, nested, block, count, out, 0);
    } else {
      codec.decodeToFloat32(
          bytes, 0, ((PlainAbsmax) weight.absmax()).values(), block, count, out, 0);
    }
  }
}
