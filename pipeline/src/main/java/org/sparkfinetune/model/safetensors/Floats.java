package org.sparkfinetune.model.safetensors;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ShortBuffer;
import org.sparkfinetune.errors.Bug;

/**
 * bfloat16 and IEEE half to and from float32, rounding to nearest even as torch's casts do. Bulk
 * versions work on little-endian buffers from their position, which they advance.
 */
public final class Floats {
  /** Elements converted at a time: 16-bit and 32-bit forms of it stay in the first-level cache. */
  private static final int CHUNK = 2048;

  private static final int INFINITE_F16 = 0x7c00;

  private Floats() {}

  public static float bf16ToFloat(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  /** Not-a-number becomes the quiet one of its sign. */
  public static short floatToBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    int rounded = (bits + 0x7fff + ((bits >>> 16) & 1)) >> 16;
    return (short) (Float.isNaN(value) ? (bits >> 31 << 15) | 0x7fc0 : rounded);
  }

  public static float f16ToFloat(short bits) {
    int sign = (bits & 0x8000) << 16;
    int magnitude = bits & 0x7fff;
    if (magnitude >= INFINITE_F16) {
      return Float.intBitsToFloat(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    }
    // Exponents differ by 112; multiplying by 2^112 also gives subnormals their value.
    float scaled = Float.intBitsToFloat(magnitude << 13) * 0x1p112f;
    return Float.intBitsToFloat(sign | Float.floatToRawIntBits(scaled));
  }

  /** Values from 65,520 on become infinite; not-a-number becomes the quiet one of its sign. */
  public static short floatToF16(float value) {
    int bits = Float.floatToRawIntBits(value);
    int sign = (bits >>> 16) & 0x8000;
    int magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      return (short) (sign | 0x7e00);
    }
    if (magnitude >= 0x477ff000) {
      return (short) (sign | INFINITE_F16);
    }
    if (magnitude < 0x38800000) {
      // Below 2^-14 halves are multiples of 2^-24. Adding 0.5, whose last place is 2^-24, rounds
      // there.
      float shifted = Float.intBitsToFloat(magnitude) + 0.5f;
      return (short) (sign | (Float.floatToRawIntBits(shifted) - 0x3f000000));
    }
    int rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1);
    return (short) (sign | rounded >>> 13);
  }

  /**
   * Reads {@code count} elements of type F32, BF16 or F16.
   *
   * @param dst receives them at {@code [from, from + count)}
   */
  public static void toFloats(DType dtype, ByteBuffer src, float[] dst, int from, int count) {
    ByteBuffer bytes = src.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    switch (dtype) {
      case F32 -> bytes.asFloatBuffer().get(dst, from, count);
      case BF16, F16 -> halvesToFloats(dtype, bytes.asShortBuffer(), dst, from, count);
      case F64, I64, I32, I16, I8, U8, BOOL -> throw notFloat(dtype);
    }
    src.position(src.position() + count * dtype.bytes());
  }

  /** Writes {@code src[from, from + count)} as F32, BF16 or F16. */
  public static void fromFloats(DType dtype, float[] src, int from, int count, ByteBuffer dst) {
    ByteBuffer bytes = dst.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    switch (dtype) {
      case F32 -> bytes.asFloatBuffer().put(src, from, count);
      case BF16, F16 -> floatsToHalves(dtype, src, from, count, bytes.asShortBuffer());
      case F64, I64, I32, I16, I8, U8, BOOL -> throw notFloat(dtype);
    }
    dst.position(dst.position() + count * dtype.bytes());
  }

  private static void halvesToFloats(
      DType dtype, ShortBuffer src, float[] dst, int from, int count) {
    short[] chunk = new short[Math.min(count, CHUNK)];
    for (int done = 0; done < count; done += chunk.length) {
      int n = Math.min(chunk.length, count - done);
      src.get(chunk, 0, n);
      if (dtype == DType.BF16) {
        for (int i = 0; i < n; i++) {
          dst[from + done + i] = bf16ToFloat(chunk[i]);
        }
      } else {
        for (int i = 0; i < n; i++) {
          dst[from + done + i] = f16ToFloat(chunk[i]);
        }
      }
    }
  }

  private static void floatsToHalves(
      DType dtype, float[] src, int from, int count, ShortBuffer dst) {
    short[] chunk = new short[Math.min(count, CHUNK)];
    for (int done = 0; done < count; done += chunk.length) {
      int n = Math.min(chunk.length, count - done);
      if (dtype == DType.BF16) {
        for (int i = 0; i < n; i++) {
          chunk[i] = floatToBf16(src[from + done + i]);
        }
      } else {
        for (int i = 0; i < n; i++) {
          chunk[i] = floatToF16(src[from + done + i]);
        }
      }
      dst.put(chunk, 0, n);
    }
  }

  private static Bug notFloat(DType dtype) {
    return new Bug("Reading " + dtype + " as floats; F32, BF16 and F16 are.");
  }
}
