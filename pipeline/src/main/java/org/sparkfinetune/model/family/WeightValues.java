package org.sparkfinetune.model.family;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.sparkfinetune.model.quant.Absmax.PlainAbsmax;
import org.sparkfinetune.model.quant.DoubleQuantization;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.quant.PrequantizedWeight;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;

/** A weight as float32, read in pieces, so that nobody has to hold it whole. */
@FunctionalInterface
public interface WeightValues {
  /** NF4's blocks; pieces begin at a multiple of it. */
  int ALIGNMENT = 64;

  /**
   * Reads {@code [first, first + count)}, row by row, into {@code out[0, count)}.
   *
   * @param first a multiple of {@link #ALIGNMENT}
   */
  void read(long first, float[] out, int count);

  /** A tensor of F32, F16 or BF16 in a checkpoint. */
  record PlainWeightValues(Checkpoint checkpoint, String name) implements WeightValues {
    @Override
    public void read(long first, float[] out, int count) {
      DType type = checkpoint.info(name).dtype();
      ByteBuffer bytes = ByteBuffer.allocate(count * type.bytes());
      checkpoint.read(name, first * type.bytes(), bytes);
      Floats.toFloats(type, bytes.flip(), out, 0, count);
    }
  }

  /**
   * What becomes of a weight that is quantised to NF4 with double quantisation and decoded again:
   * what QLoRA's adapters were trained over. Reads the weight twice, since its scales depend on
   * their mean over the whole tensor.
   */
  final class QuantizedValues implements WeightValues {
    private static final int PIECE = 1 << 20;

    private final WeightValues source;
    private final Rounding rounding;
    private final Nf4Codec codec = Nf4Codec.fastest();
    private final NestedAbsmax absmax;

    /** To what decoded weights are rounded. */
    public enum Rounding {
      /** As a training run that computes in bfloat16 sees them. */
      BFLOAT16,
      FLOAT32
    }

    public QuantizedValues(WeightValues source, long elements, Rounding rounding) {
      this.source = source;
      this.rounding = rounding;
      this.absmax = scales(source, elements);
    }

    /** The nested scales of a whole tensor. */
    public static NestedAbsmax scales(WeightValues source, long elements) {
      float[] scales = new float[Math.toIntExact((elements + Nf4Codec.BLOCK - 1) / Nf4Codec.BLOCK)];
      float[] piece = new float[(int) Math.min(PIECE, elements)];
      for (long at = 0; at < elements; at += PIECE) {
        int n = (int) Math.min(PIECE, elements - at);
        source.read(at, piece, n);
        Nf4Codec.fastest().absmax(piece, 0, n, scales, (int) (at / Nf4Codec.BLOCK));
      }
      double sum = DoubleQuantization.sum(scales, 0, scales.length);
      return DoubleQuantization.encode(scales, DoubleQuantization.offset(sum, scales.length));
    }

    @Override
    public void read(long first, float[] out, int count) {
      source.read(first, out, count);
      int block = (int) (first / Nf4Codec.BLOCK);
      int blocks = Nf4Codec.blocks(count);
      // Codes come from the exact absmax; only decoding uses the quantised one.
      float[] exact = new float[blocks];
      codec.absmax(out, 0, count, exact, 0);
      ByteBuffer packed = ByteBuffer.allocate((count + 1) / 2);
      codec.encode(out, 0, count, exact, 0, packed);
      ByteBuffer decoded = ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      codec.decodeToFloat32(packed, 0, absmax, block, count, decoded, 0);
      decoded.asFloatBuffer().get(out, 0, count);
      if (rounding == Rounding.BFLOAT16) {
        for (int i = 0; i < count; i++) {
          out[i] = Floats.bf16ToFloat(Floats.floatToBf16(out[i]));
        }
      }
    }

    @Override
    public String toString() {
      return "NF4 of " + Arrays.asList(source, rounding);
    }
  }

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
}
