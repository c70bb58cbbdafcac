package org.sparkfinetune.spark.check;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.LoraConfig;
import org.sparkfinetune.config.LoraOptions;
import org.sparkfinetune.config.LoraOptions.InitLoraWeights;
import org.sparkfinetune.config.LoraOptions.InitialWeights;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.spark.check.CheckReport.CheckLine;

final class ServingCheckTest {
  private static CheckLine line(int r, List<String> saved, Map<String, String> ranks) {
    return line(r, saved, ranks, false, false);
  }

  private static CheckLine line(
      int r, List<String> saved, Map<String, String> ranks, boolean bias, boolean dora) {
    LoraOptions options =
        new LoraOptions(
            ranks.isEmpty() ? Optional.empty() : Optional.of(ranks),
            Optional.empty(),
            List.of(),
            List.of(),
            List.of(),
            InitialWeights.of(InitLoraWeights.TRUE),
            bias,
            dora,
            Optional.empty(),
            Optional.empty());
    return new ServingCheck(
            AdapterConfig.of(new LoraConfig(r, 8, 0, List.of("all-linear"), false, saved, options)))
        .line();
  }

  @ParameterizedTest
  @CsvSource({
    "1, --enable-lora",
    "16, --enable-lora",
    "17, --enable-lora --max-lora-rank 32",
    "64, --enable-lora --max-lora-rank 64",
    "300, --enable-lora --max-lora-rank 320",
    "512, --enable-lora --max-lora-rank 512"
  })
  void a_rank_needs_a_large_enough_argument(int r, String arguments) {
    CheckLine line = line(r, List.of(), Map.of());
    assertThat(line.verdict()).isEqualTo(CheckLine.Verdict.PASSED);
    assertThat(line.what()).isEqualTo("vLLM will load it as it is, with " + arguments);
  }

  @Test
  void what_vllm_has_no_place_for_is_said() {
    assertThat(line(16, List.of(), Map.of(), true, false).what()).contains("lora_bias is true");
    assertThat(line(16, List.of(), Map.of(), false, true).what()).contains("use_dora is true");
  }

  @Test
  void what_vllm_refuses_or_passes_over_is_said() {
    CheckLine line = line(16, List.of("lm_head"), Map.of("q_proj", "600"));
    assertThat(line.verdict()).isEqualTo(CheckLine.Verdict.WARNED);
    assertThat(line.what())
        .contains("modules_to_save is [lm_head]")
        .contains("a rank is 600, and --max-lora-rank is 512 at most")
        .contains("passes over rank_pattern");
    assertThat(line.advice()).isPresent();
  }
}
