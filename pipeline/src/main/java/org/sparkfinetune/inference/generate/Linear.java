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

  int in() {
    return matrix.in();
  }

  /**
   * {@code scaling * B (A x)} of one linear.
   *
   * @param a (r, in)
   * @param scaledB B transposed, (r, out), times the scaling, and times the gain: adding to some
   *     rows of the output is then r runs along memory
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
      float[] transposed = new float[b.length];
      for (int row = 0; row < out; row++) {
        float scaling = delta.scaling() * (gain.length > 0 ? gain[row] : 1);
        for (int k = 0; k < r; k++) {
          transposed[k * out + row] = scaling * b[row * r + k];
        }
      }
      return new Lora(r, in, out, delta.a(), transposed, gain);
    }
  }
}
