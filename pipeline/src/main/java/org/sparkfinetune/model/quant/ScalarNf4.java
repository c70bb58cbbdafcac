package org.sparkfinetune.model.quant;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.sparkfinetune.model.safetensors.Floats;

/** The definition of {@link Nf4Codec} in plain Java, one weight at a time. */
public final class ScalarNf4 implements Nf4Codec {
  private static final VarHandle SHORTS =
      MethodHandles.byteBufferViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle FLOATS =
      MethodHandles.byteBufferViewVarHandle(float[].class, ByteOrder.LITTLE_ENDIAN);
  private static final float[] UPPER_BOUNDS = Nf4.upperBounds();

  @Override
  public void absmax(float[] weights, int from, int count, float[] absmax, int absmaxFrom) {
    for (int block = 0; block < Nf4Codec.blocks(count); block++) {
      int begin = from + block * BLOCK;
      int end = Math.min(begin + BLOCK, from + count);
      float largest = end - begin < BLOCK ? Nf4.SMALLEST_DIVISOR : 0;
      for (int i = begin; i < end; i++) {
        largest = Math.max(largest, Math.abs(weights[i]));
      }
      absmax[absmaxFrom + block] = largest;
    }
  }

  @Override
  public void encode(
      float[] weights, int from, int count, float[] absmax, int absmaxFrom, ByteBuffer packed) {
    for (int i = 0; i < count; i += 2) {
      int high = code(weights, from, count, i, absmax[absmaxFrom + i / BLOCK]);
      int low = code(weights, from, count, i + 1, absmax[absmaxFrom + i / BLOCK]);
      packed.put((byte) (high << 4 | low));
    }
  }

  private static int code(float[] weights, int from, int count, int i, float absmax) {
    if (i == count) {
      return codeOf(0);
    }
    boolean inShortBlock = count - i / BLOCK * BLOCK < BLOCK;
    return codeOf(
        inShortBlock ? weights[from + i] / absmax : weights[from + i] * reciprocal(absmax));
  }

  static float reciprocal(float absmax) {
    return 1 / Math.max(absmax, Nf4.SMALLEST_DIVISOR);
  }

  private static int codeOf(float scaled) {
    int code = 0;
    for (float bound : UPPER_BOUNDS) {
      code += scaled > bound ? 1 : 0;
    }
    return code;
  }

  @Override
  public void decodeToBf16(
      ByteBuffer packed,
      int firstByte,
      float[] absmax,
      int absmaxFrom,
      int count,
      ByteBuffer out,
      int outByteOffset) {
    for (int i = 0; i < count; i++) {
      float weight = weight(packed, firstByte, i, absmax[absmaxFrom + i / BLOCK]);
      SHORTS.set(out, outByteOffset + i * Short.BYTES, Floats.floatToBf16(weight));
    }
  }

  @Override
  public void decodeToFloat32(
      ByteBuffer packed,
      int firstByte,
      float[] absmax,
      int absmaxFrom,
      int count,
      ByteBuffer out,
      int outByteOffset) {
    for (int i = 0; i < count; i++) {
      float weight = weight(packed, firstByte, i, absmax[absmaxFrom + i / BLOCK]);
      FLOATS.set(out, outByteOffset + i * Float.BYTES, weight);
    }
  }

  @Override
  public void decodeToBf16(
      byte[] packed, int blocks, float[] absmax, int absmaxFrom, int[] decoded) {
    for (int i = 0; i < blocks * BLOCK_BYTES; i++) {
      float scale = absmax[absmaxFrom + i / BLOCK_BYTES];
      int first = Floats.floatToBf16(Nf4.value(packed[i] >> 4 & 15) * scale);
      int second = Floats.floatToBf16(Nf4.value(packed[i] & 15) * scale);
      decoded[i] = (first & 0xffff) | second << 16;
    }
  }

  @Override
  public void decodeToFloat32(
      byte[] packed, int blocks, float[] absmax, int absmaxFrom, float[] decoded) {
    for (int i = 0; i < blocks * BLOCK_BYTES; i++) {
      float scale = absmax[absmaxFrom + i / BLOCK_BYTES];
      decoded[2 * i] = Nf4.value(packed[i] >> 4 & 15) * scale;
      decoded[2 * i + 1] = Nf4.value(packed[i] & 15) * scale;
    }
  }

  private static float weight(ByteBuffer packed, int firstByte, int i, float absmax) {
    int pair = packed.get(firstByte + i / 2);
    int code = (i % 2 == 0 ? pair >> 4 : pair) & 15;
    return Nf4.value(code) * absmax;
  }
}
