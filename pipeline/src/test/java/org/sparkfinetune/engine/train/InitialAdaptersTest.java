package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.config.LoraConfig;
import org.sparkfinetune.config.LoraOptions;
import org.sparkfinetune.config.LoraOptions.InitLoraWeights;
import org.sparkfinetune.config.LoraOptions.InitialWeights;
import org.sparkfinetune.model.peft.AdapterConfig;

final class InitialAdaptersTest {
  private static final String MODULE = "model.layers.0.self_attn.q_proj";
  private static final int IN = 400;
  private static final int OUT = 300;
  private static final int R = 6;

  private static float[] read(InitLoraWeights how, String part, int first, int count) {
    LoraOptions options =
        new LoraOptions(
            Optional.of(Map.of("q_proj", "" + R)),
            Optional.empty(),
            List.of(),
            List.of(),
            List.of(),
            InitialWeights.of(how),
            false,
            false,
            Optional.empty(),
            Optional.empty());
    LoraConfig lora = new LoraConfig(16, 8, 0, List.of("q_proj"), false, List.of(), options);
    float[] values = new float[count];
    new InitialAdapters(7, AdapterConfig.of(lora), module -> IN)
        .read(MODULE + ".lora_" + part + ".weight", first, values, count);
    return values;
  }

  private static float[] a(InitLoraWeights how) {
    return read(how, "A", 0, R * IN);
  }

  private static float[] b(InitLoraWeights how) {
    return read(how, "B", 0, OUT * R);
  }

  private static double deviation(float[] values) {
    return Math.sqrt(
        IntStream.range(0, values.length)
            .mapToDouble(i -> values[i] * values[i])
            .average()
            .getAsDouble());
  }

  private static double largest(float[] values) {
    return IntStream.range(0, values.length)
        .mapToDouble(i -> Math.abs(values[i]))
        .max()
        .getAsDouble();
  }

  @Test
  void by_default_a_is_uniform_and_b_zero() {
    assertThat(largest(a(InitLoraWeights.TRUE))).isBetween(0.95 / 20, 1.0 / 20);
    assertThat(deviation(a(InitLoraWeights.TRUE))).isCloseTo(1 / Math.sqrt(3) / 20, within(1e-3));
    assertThat(b(InitLoraWeights.TRUE)).containsOnly(0);
  }

  @Test
  void without_initialisation_both_are_uniform_as_linear_layers_are() {
    assertThat(a(InitLoraWeights.FALSE)).isEqualTo(a(InitLoraWeights.TRUE));
    assertThat(largest(b(InitLoraWeights.FALSE))).isBetween(0.95 / Math.sqrt(R), 1 / Math.sqrt(R));
  }

  @Test
  void gaussian_has_deviation_one_over_the_modules_own_rank() {
    assertThat(deviation(a(InitLoraWeights.GAUSSIAN))).isCloseTo(1.0 / R, within(0.01));
    assertThat(largest(a(InitLoraWeights.GAUSSIAN))).isBetween(3.0 / R, 5.0 / R);
    assertThat(b(InitLoraWeights.GAUSSIAN)).containsOnly(0);
  }

  /** PEFT's, drawn there for these sizes, have deviations of 0.1 sqrt(1/2). */
  @Test
  void orthogonal_begins_with_a_product_of_zero_though_neither_is() {
    float[] a = a(InitLoraWeights.ORTHOGONAL);
    float[] b = b(InitLoraWeights.ORTHOGONAL);
    assertThat(deviation(a)).isCloseTo(0.1 * Math.sqrt(0.5), within(5e-3));
    assertThat(deviation(b)).isCloseTo(0.1 * Math.sqrt(0.5), within(5e-3));
    for (int row = 0; row < OUT; row += 37) {
      for (int column = 0; column < IN; column += 41) {
        double product = 0;
        for (int k = 0; k < R; k++) {
          product += b[row * R + k] * a[k * IN + column];
        }
        assertThat(product).isCloseTo(0, within(1e-7));
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"TRUE", "FALSE", "GAUSSIAN", "ORTHOGONAL"})
  void a_slice_is_the_same_whoever_reads_it(InitLoraWeights how) {
    for (String part : List.of("A", "B")) {
      float[] whole = read(how, part, 0, 1500);
      float[] slice = read(how, part, 611, 300);
      assertThat(slice).isEqualTo(java.util.Arrays.copyOfRange(whole, 611, 911));
    }
  }
}
