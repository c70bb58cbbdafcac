package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.model.safetensors.Floats;

/** Frozen weights that are not quantised, to and from their bytes. */
final class PlainValues {
  private static final int CHUNK = 1 << 16;

  private PlainValues() {}

  /**
   * {@code count} values at byte {@code from} of {@code source} into {@code to} at {@code first}.
   */
  static void decode(
      PlainType type, ByteBuffer source, int from, int count, Tensor to, long first) {
    ElementType target = to.type();
    ByteBuffer out = to.bytes();
    int outAt = Math.toIntExact(first * target.bytes());
    if (type.bytes() == target.bytes()) {
      out.put(outAt, source, from, count * type.bytes());
      return;
    }
    if (type != PlainType.BFLOAT16) {
      throw new IllegalStateException("float32 weights are computed with in float32");
    }
    float[] part = new float[Math.min(count, CHUNK)];
    ByteBuffer bytes = source.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i += CHUNK) {
      int n = Math.min(CHUNK, count - i);
      var shorts =
          bytes.position(from + 2 * i).slice().order(ByteOrder.LITTLE_ENDIAN).asShortBuffer();
      for (int j = 0; j < n; j++) {
        part[j] = Floats.bf16ToFloat(shorts.get(j));
      }
      out.position(outAt + Float.BYTES * i)
          .slice()
          .order(ByteOrder.LITTLE_ENDIAN)
          .asFloatBuffer()
          .put(part, 0, n);
    }
  }

  static void encode(PlainType type, float[] values, int count, ByteBuffer out) {
    if (type == PlainType.FLOAT32) {
      for (int i = 0; i < count; i++) {
        out.putFloat(values[i]);
      }
    } else {
      for (int i = 0; i < count; i++) {
        out.putShort(Floats.floatToBf16(values[i]));
      }
    }
  }
}
