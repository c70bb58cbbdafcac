package org.sparkfinetune.inference.export;

import org.sparkfinetune.model.family.WeightValues;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;
import org.sparkfinetune.model.safetensors.NamedShape;

/** {@code scaling * B A} of one linear; A is (r, in), B is (out, r). */
final class LoraDelta {
  private final float[] a;
  private final float[] b;
  private final int r;
  private final int in;
  private final float scaling;

  private LoraDelta(float[] a, float[] b, int r, int in, float scaling) {
    this.a = a;
    this.b = b;
    this.r = r;
    this.in = in;
    this.scaling = scaling;
  }

  static LoraDelta of(AdapterFiles adapter, String module, NamedShape weight) {
    return new LoraDelta(
        adapter.floats(AdapterNames.loraA(module)),
        adapter.floats(AdapterNames.loraB(module)),
        adapter.config().ranks().rank(module),
        Math.toIntExact(weight.shape().get(1)),
        (float) adapter.config().ranks().scaling(module));
  }

  WeightValues addedTo(WeightValues base) {
    return (first, out, count) -> {
      base.read(first, out, count);
      float[] row = new float[in];
      for (int at = 0; at < count; ) {
        int column = (int) ((first + at) % in);
        int n = Math.min(in - column, count - at);
        product((int) ((first + at) / in), row);
        for (int i = 0; i < n; i++) {
          out[at + i] += scaling * row[column + i];
        }
        at += n;
      }
    };
  }

  private void product(int outRow, float[] row) {
    java.util.Arrays.fill(row, 0);
    for (int k = 0; k < r; k++) {
      float factor = b[outRow * r + k];
      int from = k * in;
      for (int i = 0; i < in; i++) {
        row[i] += factor * a[from + i];
      }
    }
  }
}
