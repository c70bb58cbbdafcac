package org.sparkfinetune.inference.generate;

import java.util.Optional;
import java.util.function.Supplier;
import org.sparkfinetune.model.family.WeightValues;
import org.sparkfinetune.model.peft.AdapterConfig.Variant;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.LoraDelta;

/**
 * {@code y = W x + bias + lora(x)}; with DoRA {@code y = gain (W x + lora(x)) + bias}.
 *
 * @param bias (out), or nothing in it
 */
@SuppressWarnings("ArrayRecordComponent")
record Linear(Matrix matrix, float[] bias, Optional<Lora> lora) {

  int out() {
    return matrix.out();
  }

  boolean isMoreThanProduct() {
    return bias.length > 0 || lora.isPresent();
  }

  int in() {
    return matrix.in();
  }

  /**
   * {@code scaling * B (A x)} of one linear.
   *
   * @param a A (r, in) in panels, each (in, PANEL)
   * @param scaledB B (out, r) times the scaling and times the gain, in panels, each (r, PANEL)
   * @param gain (out), what DoRA multiplies the rows of W by; of others nothing is in it
   */
  @SuppressWarnings("ArrayRecordComponent")
  record Lora(int r, int in, int out, float[] a, float[] scaledB, float[] gain) {

    /**
     * @param base W as it is computed with
     */
    static Lora read(
        AdapterFiles adapter, String module, int out, int in, Supplier<WeightValues> base) {
      LoraDelta delta = LoraDelta.of(adapter, module);
      float[] gain =
          adapter.config().variant() == Variant.DORA
              ? delta.gain(adapter, module, base.get())
              : new float[0];
      int r = delta.r();
      float[] b = delta.b();
      for (int i = 0; i < b.length; i++) {
        b[i] *= delta.scaling() * (gain.length > 0 ? gain[i / r] : 1);
      }
      return new Lora(r, in, out, panels(delta.a(), r, in), panels(b, out, r), gain);
    }

    /** A, row by row. */
    float[] rowsOfA() {
      return rows(a, r, in);
    }

    /** B times the scaling and the gain, row by row. */
    float[] rowsOfB() {
      return rows(scaledB, out, r);
    }

    private static float[] rows(float[] panels, int rows, int depth) {
      float[] x = new float[rows * depth];
      for (int row = 0; row < rows; row++) {
        int from = row / Kernels.PANEL * Kernels.PANEL * depth + row % Kernels.PANEL;
        for (int k = 0; k < depth; k++) {
          x[row * depth + k] = panels[from + k * Kernels.PANEL];
        }
      }
      return x;
    }

    /** What {@link Kernels#product} takes of a matrix (rows, depth). */
    static float[] panels(float[] x, int rows, int depth) {
      float[] panels = new float[Kernels.panels(rows) * Kernels.PANEL * depth];
      for (int row = 0; row < rows; row++) {
        int to = row / Kernels.PANEL * Kernels.PANEL * depth + row % Kernels.PANEL;
        for (int k = 0; k < depth; k++) {
          panels[to + k * Kernels.PANEL] = x[row * depth + k];
        }
      }
      return panels;
    }
  }
}
