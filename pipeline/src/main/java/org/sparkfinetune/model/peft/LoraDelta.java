package org.sparkfinetune.model.peft;

import java.util.Arrays;
import org.sparkfinetune.model.family.WeightValues;
import org.sparkfinetune.model.peft.AdapterConfig.Variant;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;

/** {@code scaling * B A} of one linear; A is (r, in), B is (out, r). */
@SuppressWarnings("ArrayRecordComponent")
public record LoraDelta(float[] a, float[] b, int r, float scaling) {
  private static final int PIECE = 1 << 20;

  public static LoraDelta of(AdapterFiles adapter, String module) {
    return new LoraDelta(
        adapter.floats(AdapterNames.loraA(module)),
        adapter.floats(AdapterNames.loraB(module)),
        adapter.config().ranks().rank(module),
        (float) adapter.config().ranks().scaling(module));
  }

  private int in() {
    return a.length / r;
  }

  private int out() {
    return b.length / r;
  }

  /** What an adapter makes of a linear's weight, which has its shape. */
  public static WeightValues merged(AdapterFiles adapter, String module, WeightValues base) {
    LoraDelta delta = of(adapter, module);
    return adapter.config().variant() == Variant.DORA
        ? delta.timesRows(delta.addedTo(base), delta.gain(adapter, module, base))
        : delta.addedTo(base);
  }

  /**
   * Of DoRA, what rows of {@code W + scaling * B A} are multiplied by: their magnitude by length.
   */
  public float[] gain(AdapterFiles adapter, String module, WeightValues base) {
    float[] gain = adapter.floats(AdapterNames.magnitudes(module));
    float[] lengths = rowLengths(base);
    for (int row = 0; row < gain.length; row++) {
      gain[row] /= lengths[row];
    }
    return gain;
  }

  public WeightValues addedTo(WeightValues base) {
    int in = in();
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
    Arrays.fill(row, 0);
    for (int k = 0; k < r; k++) {
      float factor = b[outRow * r + k];
      int from = k * row.length;
      for (int i = 0; i < row.length; i++) {
        row[i] += factor * a[from + i];
      }
    }
  }

  /** The length of every row of {@code W + scaling * B A}. */
  public float[] rowLengths(WeightValues base) {
    WeightValues values = addedTo(base);
    double[] squares = new double[out()];
    long elements = (long) squares.length * in();
    float[] piece = new float[(int) Math.min(PIECE, elements)];
    for (long at = 0; at < elements; at += PIECE) {
      int n = (int) Math.min(PIECE, elements - at);
      values.read(at, piece, n);
      for (int i = 0; i < n; i++) {
        squares[(int) ((at + i) / in())] += (double) piece[i] * piece[i];
      }
    }
    float[] lengths = new float[squares.length];
    for (int row = 0; row < lengths.length; row++) {
      lengths[row] = (float) Math.sqrt(squares[row]);
    }
    return lengths;
  }

  private WeightValues timesRows(WeightValues values, float[] factors) {
    int in = in();
    return (first, out, count) -> {
      values.read(first, out, count);
      for (int i = 0; i < count; i++) {
        out[i] *= factors[(int) ((first + i) / in)];
      }
    };
  }
}
