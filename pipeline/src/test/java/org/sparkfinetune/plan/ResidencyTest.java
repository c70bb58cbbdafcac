package org.sparkfinetune.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;

class ResidencyTest {
  private static final long GIB = 1L << 30;

  /** 32 layers in NF4 and a head of 128256 x 4096 in bfloat16. */
  @Test
  void of_8b_all_stays_on_a_card_of_24_gb() {
    Residency weights = of("llama-3-8b", 24 * GIB, 1);
    assertThat(weights.inUse() / 1e9).isCloseTo(3.60 + 1.05, Percentage.withPercentage(0.5));
    assertThat(weights.room()).isGreaterThan(weights.inUse());
    assertThat(weights.crossing()).isZero();
    assertThat(weights.text()).isEqualTo("all 4.7 GB of frozen weights stay on the GPU");
  }

  @Test
  void of_70b_most_stays_on_cards_of_40_gb_and_the_rest_crosses_twice_a_step() {
    Residency weights = of("llama-3-70b", 40 * GIB, 4);
    assertThat(weights.room() / (double) weights.inUse()).isBetween(0.6, 0.95);
    assertThat(weights.crossing()).isEqualTo(2 * (weights.inUse() - weights.room()));
    assertThat(weights.text())
        .matches(
            "[\\d.]+ of 37.4 GB of frozen weights stay on the GPU; [\\d.]+ GB are copied there for each step, which takes [\\d.]+ s at PCIe 4.0's 25 GB/s, beside computing");
  }

  @Test
  void with_offload_all_of_it_crosses() {
    Residency weights = of("llama-3-8b", 80 * GIB, 1, "--fsdp", "full_shard offload");
    assertThat(weights.room()).isZero();
    assertThat(weights.crossing()).isEqualTo(2 * weights.inUse());
  }

  @Test
  void gpu_memory_is_what_the_run_may_use() {
    long all = of("llama-3-8b", 80 * GIB, 1, "--gpu_memory", "80GB").room();
    long less = of("llama-3-8b", 80 * GIB, 1, "--gpu_memory", "79GB").room();
    assertThat(all - less).isEqualTo(1_000_000_000L);
    Residency little = of("llama-3-8b", 80 * GIB, 1, "--gpu_memory", "1GB");
    assertThat(little.room()).isZero();
    assertThat(little.lacking()).isPositive();
    assertThat(little.text())
        .startsWith("all but the frozen weights needs ")
        .contains("more of the GPU than the run may use (gpu_memory");
    assertThat(of("llama-3-8b", 8 * GIB, 1, "--gpu_memory", "80GB").room()).isLessThan(8 * GIB);
  }

  private static Residency of(String shape, long memory, int ranks, String... changes) {
    List<String> words =
        new ArrayList<>(List.of("--model_id", "m", "--dataset_path", "d", "--output_dir", "o"));
    words.addAll(List.of(changes));
    TrainConfig config =
        new ConfigLoader(new Configuration()).train(Optional.empty(), words).config();
    return Residency.of(config, ModelShape.named(shape).config(), memory, ranks);
  }
}
