package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.inference.generate.Kernels.FastestKernels;
import org.sparkfinetune.inference.generate.Kernels.Form;
import org.sparkfinetune.inference.generate.Linear.Lora;
import org.sparkfinetune.inference.generate.Matrix.Nf4Matrix;
import org.sparkfinetune.inference.generate.Matrix.PlainMatrix;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;

/** Linears of every form and of shapes that fill no vector, panel or block. */
final class LinearMathTest {
  private static final int OUT = 75;

  private final Random random = new Random(5);

  private float[] floats(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static Matrix plain(float[] w, int in, DType dtype) {
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(w.length * dtype.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    Floats.fromFloats(dtype, w, 0, w.length, bytes);
    return new PlainMatrix(OUT, in, bytes.flip(), dtype);
  }

  private static Matrix nf4(float[] w, int in, Form form) {
    float[] absmax = new float[Nf4Codec.blocks(w.length)];
    ByteBuffer packed = ByteBuffer.allocateDirect((w.length + 1) / 2);
    Nf4Codec.fastest().absmax(w, 0, w.length, absmax, 0);
    Nf4Codec.fastest().encode(w, 0, w.length, absmax, 0, packed);
    return new Nf4Matrix(OUT, in, packed.flip(), absmax, form);
  }

  /** Of weights w, all forms that they can have. */
  private static Map<String, Matrix> matrices(float[] w, int in) {
    return Map.of(
        "bf16", plain(w, in, DType.BF16),
        "f16", plain(w, in, DType.F16),
        "f32", plain(w, in, DType.F32),
        "nf4 as bf16", nf4(w, in, in % 2 == 0 ? Form.PAIRS : Form.FLOATS),
        "nf4 as float32", nf4(w, in, Form.FLOATS));
  }

  /** A matrix's weights, row by row, through the codec and the definition. */
  private static float[] weights(Matrix matrix) {
    Kernels simple = new ScalarKernels();
    ThreadBuffers buffers = ThreadBuffers.ofThisThread();
    float[] weights = new float[OUT * matrix.in()];
    for (int row = 0; row < OUT; row++) {
      matrix.rows(row, 1, simple, buffers);
      for (int k = 0; k < matrix.in(); k++) {
        weights[row * matrix.in() + k] =
            switch (matrix.form()) {
              case PAIRS ->
                  Float.intBitsToFloat(
                      k % 2 == 0
                          ? buffers.ints(0)[k / 2] << 16
                          : buffers.ints(0)[k / 2] & 0xffff0000);
              case FLOATS -> buffers.floats(0)[k];
            };
      }
    }
    return weights;
  }

  private static float[] product(Linear linear, float[] x, int n, Kernels kernels, int threads) {
    float[] y = new float[n * OUT];
    try (SpinningPool pool = new SpinningPool(threads)) {
      new LinearMath(kernels, pool).apply(List.of(linear), x, n, List.of(y));
    }
    return y;
  }

  @ParameterizedTest
  @ValueSource(ints = {64, 192, 96, 40, 37, 288})
  void few_columns_and_many_give_the_same_numbers_on_any_threads(int in) {
    float[] w = floats(OUT * in);
    float[] x = floats(11 * in);
    float[] a = Lora.panels(floats(5 * in), 5, in);
    float[] b = Lora.panels(floats(5 * OUT), OUT, 5);
    Lora lora = new Lora(5, in, OUT, a, b, floats(OUT));
    matrices(w, in)
        .forEach(
            (name, matrix) -> {
              Linear linear = new Linear(matrix, floats(OUT), Optional.of(lora));
              float[] together = product(linear, x, 11, FastestKernels.KERNELS, 2);
              for (int n : new int[] {1, 3, 4}) {
                for (int t = 0; t + n <= 11; t += n) {
                  float[] some = Arrays.copyOfRange(x, t * in, (t + n) * in);
                  assertThat(product(linear, some, n, FastestKernels.KERNELS, 1))
                      .as("%s, %s columns", name, n)
                      .containsExactly(Arrays.copyOfRange(together, t * OUT, (t + n) * OUT));
                }
              }
              assertThat(together)
                  .as(name)
                  .containsExactly(product(linear, x, 11, new ScalarKernels(), 1), within(1e-3f));
            });
  }

  @Test
  void a_product_is_that_of_the_weights() {
    int in = 96;
    float[] x = floats(in);
    matrices(floats(OUT * in), in)
        .forEach(
            (name, matrix) -> {
              float[] w = weights(matrix);
              float[] expected = new float[OUT];
              for (int row = 0; row < OUT; row++) {
                for (int k = 0; k < in; k++) {
                  expected[row] += w[row * in + k] * x[k];
                }
              }
              Linear linear = new Linear(matrix, new float[0], Optional.empty());
              assertThat(product(linear, x, 1, FastestKernels.KERNELS, 1))
                  .as(name)
                  .containsExactly(expected, within(1e-4f));
            });
  }
}
