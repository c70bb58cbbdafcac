package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.BestModel;
import org.sparkfinetune.engine.train.Trainer.TrainingEvents.Evaluated;

/** Schedules, the best evaluation and early stopping beside transformers', see steering.py. */
class SteeringParityTest {
  private static JsonNode golden;
  @TempDir Path folder;

  @BeforeAll
  static void read() throws IOException {
    golden = GoldenRun.json("steering.json");
  }

  private TrainConfig config(Object... keys) {
    List<String> words =
        new ArrayList<>(
            List.of(
                "--model_id",
                folder.toString(),
                "--dataset_path",
                folder.toString(),
                "--output_dir",
                folder.resolve("run").toString()));
    for (int i = 0; i < keys.length; i += 2) {
      words.addAll(List.of("--" + keys[i], keys[i + 1].toString()));
    }
    return new ConfigLoader(new Configuration(false)).train(Optional.empty(), words).config();
  }

  @Test
  void every_schedule_gives_the_rates_of_transformers() {
    int total = golden.path("total").asInt();
    double peak = golden.path("rate").asDouble();
    assertThat(golden.path("schedules")).hasSizeGreaterThan(10);
    for (JsonNode schedule : golden.path("schedules")) {
      List<Object> keys =
          new ArrayList<>(List.of("lr_scheduler_type", schedule.path("type").asText()));
      keys.addAll(List.of("warmup_steps", schedule.path("warmup"), "learning_rate", peak));
      if (!schedule.path("kwargs").isEmpty()) {
        keys.addAll(List.of("lr_scheduler_kwargs", schedule.path("kwargs")));
      }
      LearningRate rate = new LearningRate(config(keys.toArray()).optimization(), total);
      for (int step = 1; step <= total; step++) {
        assertThat(rate.at(step))
            .as("%s, step %s", schedule, step)
            .isCloseTo(schedule.path("rates").path(step - 1).asDouble(), within(1e-12 * peak));
      }
    }
  }

  @Test
  void the_best_evaluation_and_the_end_are_the_trainers() {
    assertThat(golden.path("runs")).hasSizeGreaterThan(10);
    int early = 0;
    for (JsonNode run : golden.path("runs")) {
      BestModel settings =
          config(
                  "load_best_model_at_end", true,
                  "greater_is_better", run.path("greater"),
                  "early_stopping_patience", run.path("patience"),
                  "early_stopping_threshold", run.path("threshold"))
              .best();
      BestEvaluation best = new BestEvaluation(settings);
      int step = 0;
      while (step < run.path("values").size() && !best.endsRun()) {
        // A start that goes on from a checkpoint remembers all of it.
        BestEvaluation resumed = new BestEvaluation(settings);
        resumed.restore(best.counters());
        best = resumed;
        double value = run.path("values").path(step++).asDouble();
        best.evaluated(new Evaluated(step, 0, value, 1, Map.of(), Map.of(), List.of(), 0));
      }
      assertThat(best.resultingStep()).isEqualTo(OptionalLong.of(run.path("step").asLong()));
      assertThat(best.summary().get(0).value()).isEqualTo(run.path("best").asDouble());
      assertThat(best.endsRun() ? step : 0).isEqualTo(run.path("ended").asInt());
      early += best.endsRun() ? 1 : 0;
    }
    assertThat(early).isBetween(5, golden.path("runs").size() - 5);
  }

  @Test
  void one_source_of_a_mixture_may_choose() {
    BestModel settings =
        config("early_stopping_patience", 1, "metric_for_best_model", "eval_hard_loss").best();
    BestEvaluation best = new BestEvaluation(settings);
    best.evaluated(
        new Evaluated(1, 0, 1, 1, Map.of("easy", 1.0, "hard", 4.0), Map.of(), List.of(), 0));
    best.evaluated(
        new Evaluated(2, 0, 2, 1, Map.of("easy", 1.0, "hard", 3.0), Map.of(), List.of(), 0));
    assertThat(best.endsRun()).isFalse();
    assertThat(best.resultingStep()).isEmpty();
    assertThat(best.summary().get(0).metric()).isEqualTo("eval_hard_loss");
    assertThat(best.summary().get(0).step()).isEqualTo(2);
    assertThat(settings.isGreaterBetter()).isFalse();
    BestModel slash = config("metric_for_best_model", "loss/hard").best();
    assertThat(slash.isGreaterBetter()).isFalse();
    assertThat(slash.of(1, Map.of("hard", 2.0), Map.of())).isEqualTo(2);
    assertThatThrownBy(() -> slash.of(1, Map.of("easy", 2.0), Map.of()))
        .hasMessage(
            "metric_for_best_model is loss/hard, but an evaluation gives eval_loss, eval_loss/easy");
  }
}
