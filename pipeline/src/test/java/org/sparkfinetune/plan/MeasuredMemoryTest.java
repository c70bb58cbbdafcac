package org.sparkfinetune.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;

/**
 * Plans of the runs in the documentation, whose memory {@code .ci/plan-memory} measured, are what
 * stands there, and near to what was measured.
 */
class MeasuredMemoryTest {
  private static final Path PAGE = Path.of("../jobs/docs/planning.md");

  /** Data, model, method, row, rows, accumulation, other keys, planned and measured MiB. */
  private static final Pattern ROW =
      Pattern.compile(
          "(?m)^\\| (?:sample|real) \\| (sample|llama-135m) \\| (\\w+) \\| (\\d+) \\| (\\d+) \\|"
              + " (\\d+) \\| (.*?) \\| (\\d+) \\| (\\d+) \\| \\S+ % \\| .*\\|$");

  /** What the script adds where a run does not say it. */
  private static final Map<String, String> USUAL =
      Map.of("bf16", "false", "max_steps", "2", "eval_strategy", "no", "save_strategy", "no");

  static Stream<MatchResult> runs() throws IOException {
    return ROW.matcher(Files.readString(PAGE)).results();
  }

  @Test
  void there_are_runs_of_every_method() throws IOException {
    assertThat(runs().map(run -> run.group(2))).contains("qlora", "lora", "full");
    assertThat(runs()).hasSizeGreaterThan(3);
  }

  @ParameterizedTest
  @MethodSource("runs")
  void plan_and_run_agree_within_15_percent(MatchResult run) {
    Memory memory = plan(run).memory();
    double planned = (memory.needed() + memory.mapped()) / (double) (1 << 20);
    assertThat(String.format(Locale.ROOT, "%.0f", planned)).isEqualTo(run.group(7));
    assertThat(planned).isCloseTo(Double.parseDouble(run.group(8)), Percentage.withPercentage(15));
  }

  private static Plan plan(MatchResult run) {
    List<String> words =
        new ArrayList<>(List.of("--model_id", "m", "--dataset_path", "d", "--output_dir", "o"));
    words.addAll(List.of("--method", run.group(2)));
    words.addAll(List.of("--max_seq_length", run.group(3)));
    words.addAll(List.of("--per_device_train_batch_size", run.group(4)));
    words.addAll(List.of("--gradient_accumulation_steps", run.group(5)));
    String[] besides = run.group(6).isBlank() ? new String[0] : run.group(6).split(" ");
    USUAL.forEach(
        (key, value) -> {
          if (!List.of(besides).contains(key)) {
            words.addAll(List.of("--" + key, value));
          }
        });
    for (int i = 0; i < besides.length; i += 2) {
      words.addAll(List.of("--" + besides[i], besides[i + 1]));
    }
    TrainConfig config =
        new ConfigLoader(new Configuration()).train(Optional.empty(), words).config();
    int ranks = config.parallelism().numRanks().orElse(2);
    Device host =
        new Device(
            "cpu",
            Device.Kind.CPU,
            Device.Bfloat16.COMPUTED,
            24L << 30,
            1e11,
            1e10,
            1e10,
            2,
            1e9,
            0);
    return new Planner(config, ModelShape.named(run.group(1)).config(), OptionalLong.empty())
        .plan(host, ranks, List.of());
  }
}
