package org.sparkfinetune.inference.generate;

import java.util.Optional;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;

/**
 * {@code y = W x + bias + lora(x)}.
 *
 * @param bias (out), or nothing in it
 */
@SuppressWarnings("ArrayRecordComponent")
record Linear(Matrix matrix, float[] bias, Optional<Lora> lora) {

  int out() {
    return matrix.out();
  }

  int in() {
    return matrix.in();
  }

  /**
   * {@code scaling * B (A x)} of one linear.
   *
   * @param a (r, in)
   * @param scaledB B transposed, (r, out), times the scaling: adding to some rows of the output is
   *     then r runs along memory
   */
  @SuppressWarnings("ArrayRecordComponent")
  record Lora(int r, int in, int out, float[] a, float[] scaledB) {

    static Lora read(AdapterFiles adapter, String module, int out, int in) {
      int r = adapter.config().ranks().rank(module);
      float scaling = (float) adapter.config().ranks().scaling(module);
      float[] b = adapter.floats(AdapterNames.loraB(module));
      float[] transposed = new float[b.length];
      for (int row = 0; row < out; row++) {
        for (int k = 0; k < r; k++) {
          transposed[k * out + row] = scaling * b[row * r + k];
        }
      }
      return new Lora(r, in, out, adapter.floats(AdapterNames.loraA(module)), transposed);
    }
  }
}
