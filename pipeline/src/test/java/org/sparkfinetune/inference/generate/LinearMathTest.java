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
import org.sparkfinetune.inference.generate.Linear.Lora;
import org.sparkfinetune.inference.generate.LinearMath.Decoding;
import org.sparkfinetune.inference.generate.Matrix.Nf4Matrix;
import org.sparkfinetune.inference.generate.Matrix.Nf4Matrix.Rounded;
import org.sparkfinetune.inference.generate.Matrix.PlainMatrix;
import org.sparkfinetune.model.quant.Absmax.PlainAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;

/** Linears of every form and of shapes that fill no vector, panel or block. */
final class LinearMathTest {
  private static final int OUT = 75;
  private static final Kernels VECTORS = new VectorKernels(0);

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

  private static Matrix nf4(float[] w, int in, Rounded rounded) {
    float[] absmax = new float[Nf4Codec.blocks(w.length)];
    ByteBuffer packed = ByteBuffer.allocateDirect((w.length + 1) / 2);
    Nf4Codec.fastest().absmax(w, 0, w.length, absmax, 0);
    Nf4Codec.fastest().encode(w, 0, w.length, absmax, 0, packed);
    return new Nf4Matrix(OUT, in, packed.flip(), new PlainAbsmax(absmax), rounded);
  }

  /** Of weights w, all forms that they can have. */
  private static Map<String, Matrix> matrices(float[] w, int in) {
    return Map.of(
        "bf16", plain(w, in, DType.BF16),
        "f16", plain(w, in, DType.F16),
        "f32", plain(w, in, DType.F32),
        "nf4 as bf16", nf4(w, in, Rounded.BF16),
        "nf4 as float32", nf4(w, in, Rounded.FLOAT32));
  }

  private static float[] product(
      Linear linear, float[] x, int n, Kernels kernels, int threads, Decoding decoding) {
    float[] y = new float[n * OUT];
    try (SpinningPool pool = new SpinningPool(threads)) {
      new LinearMath(kernels, pool, decoding, Optional.empty())
          .apply(List.of(linear), x, n, List.of(y));
    }
    return y;
  }

  @ParameterizedTest
  @ValueSource(ints = {64, 192, 96, 40, 37, 320})
  void columns_do_not_depend_on_one_another_or_on_threads(int in) {
    float[] w = floats(OUT * in);
    float[] x = floats(11 * in);
    float[] a = Lora.panels(floats(5 * in), 5, in);
    float[] b = Lora.panels(floats(5 * OUT), OUT, 5);
    Lora lora = new Lora(5, in, OUT, a, b, floats(OUT));
    matrices(w, in)
        .forEach(
            (name, matrix) -> {
              Linear linear = new Linear(matrix, floats(OUT), Optional.of(lora));
              float[] together = product(linear, x, 11, VECTORS, 2, Decoding.EACH_TIME);
              for (int n : new int[] {1, 3, 4}) {
                for (int t = 0; t + n <= 11; t += n) {
                  float[] some = Arrays.copyOfRange(x, t * in, (t + n) * in);
                  assertThat(product(linear, some, n, VECTORS, 1, Decoding.EACH_TIME))
                      .as("%s, %s columns", name, n)
                      .containsExactly(Arrays.copyOfRange(together, t * OUT, (t + n) * OUT));
                }
              }
              for (int n : new int[] {11, 1, 3}) {
                float[] some = Arrays.copyOf(x, n * in);
                for (Kernels kernels : List.of(VECTORS, new ScalarKernels())) {
                  assertThat(product(linear, some, n, kernels, 2, Decoding.ONCE))
                      .as("%s, %s columns, kept", name, n)
                      .containsExactly(product(linear, some, n, kernels, 1, Decoding.EACH_TIME));
                }
              }
              float[] first = Arrays.copyOf(x, in);
              float[] expected =
                  product(linear, first, 1, new ScalarKernels(), 1, Decoding.EACH_TIME_BY_ROWS);
              assertThat(Arrays.copyOf(together, OUT))
                  .as(name)
                  .containsExactly(expected, within(1e-3f));
              assertThat(product(linear, first, 1, VECTORS, 2, Decoding.EACH_TIME_BY_ROWS))
                  .as("%s, by rows", name)
                  .containsExactly(expected, within(1e-3f));
            });
  }

  @Test
  void a_product_is_that_of_the_weights() {
    int in = 96;
    float[] w = floats(OUT * in);
    float[] x = floats(in);
    double[] expected = new double[OUT];
    for (int i = 0; i < w.length; i++) {
      expected[i / in] += w[i] * x[i % in];
    }
    Map<String, Double> allowed = Map.of("f32", 1e-4, "f16", 0.05, "bf16", 0.3);
    matrices(w, in)
        .forEach(
            (name, matrix) -> {
              Linear linear = new Linear(matrix, new float[0], Optional.empty());
              float[] made = product(linear, x, 1, VECTORS, 1, Decoding.EACH_TIME);
              for (int row = 0; row < OUT; row++) {
                assertThat((double) made[row])
                    .as(name)
                    .isCloseTo(expected[row], within(allowed.getOrDefault(name, 5.0)));
              }
            });
  }

  @Test
  void weights_stay_decoded_where_all_of_them_may_and_there_is_room() {
    float[] w = floats(OUT * 64);
    List<Matrix> pairs = List.of(nf4(w, 64, Rounded.BF16), plain(w, 64, DType.BF16));
    // Three panels of 32 rows each, of 64 weights of two bytes.
    long bytes = 2 * 3 * 32 * 64 * 2;
    long enough = bytes * 10 / 3 + 1;
    assertThat(VectorDecoder.decoding(pairs, enough, true)).isEqualTo(Decoding.ONCE);
    assertThat(VectorDecoder.decoding(pairs, enough, false)).isEqualTo(Decoding.ONCE);
    assertThat(VectorDecoder.decoding(pairs, enough - 10, false)).isEqualTo(Decoding.EACH_TIME);
    assertThat(VectorDecoder.decoding(pairs, enough - 10, true))
        .isEqualTo(Decoding.EACH_TIME_BY_ROWS);
    List<Matrix> some = List.of(pairs.get(0), plain(w, 64, DType.F32));
    assertThat(VectorDecoder.decoding(some, Long.MAX_VALUE, false)).isEqualTo(Decoding.EACH_TIME);
  }
}
