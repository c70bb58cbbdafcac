package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.GenerationSettings.Greedy;
import org.sparkfinetune.inference.generate.GenerationSettings.Sampled;

final class SamplerTest {
  private static final float[] LOGITS = {1f, 3f, 2.5f, -1f};

  private static int[] draw(long seed, long sequence, double penalty) {
    GenerationSettings settings =
        new GenerationSettings(9, new Sampled(1, 0, 1, seed), penalty, Set.of());
    Sampler sampler = new Sampler(settings, sequence, new int[] {0});
    return IntStream.range(0, 200).map(i -> sampler.next(LOGITS.clone(), 0, 4)).toArray();
  }

  @Test
  void draws_depend_on_the_seed_and_the_sequence_alone() {
    assertThat(draw(1, 5, 1)).isEqualTo(draw(1, 5, 1));
    assertThat(draw(1, 5, 1)).isNotEqualTo(draw(2, 5, 1));
    assertThat(draw(1, 5, 1)).isNotEqualTo(draw(1, 6, 1));
  }

  @Test
  void tokens_come_as_often_as_they_are_likely() {
    long ones = IntStream.of(draw(7, 0, 1)).filter(token -> token == 1).count();

    // exp(3) of exp(1) + exp(3) + exp(2.5) + exp(-1) is 0.55.
    assertThat(ones).isBetween(85L, 135L);
  }

  @Test
  void a_penalty_lowers_what_was_seen_whatever_its_sign() {
    GenerationSettings settings = new GenerationSettings(9, new Greedy(), 2, Set.of());
    Sampler sampler = new Sampler(settings, 0, new int[] {1, 3});
    float[] logits = LOGITS.clone();

    assertThat(sampler.next(logits, 0, 4)).isEqualTo(2);
    assertThat(logits).containsExactly(1f, 1.5f, 2.5f, -2f);
    assertThat(sampler.next(LOGITS.clone(), 0, 4)).isEqualTo(1);
  }

  @Test
  void settings_that_mean_nothing_are_refused() {
    assertThatThrownBy(() -> new Sampled(0, 0, 1, 0))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("temperature is 0.0");
    assertThatThrownBy(() -> new Sampled(1, 0, 1.5, 0)).hasMessageContaining("top_p is 1.5");
    assertThatThrownBy(() -> GenerationSettings.greedy(0, Set.of()))
        .hasMessageContaining("max_new_tokens is 0");
  }
}
