package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Locale;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.TrainConfig.LrSchedulerType;
import org.sparkfinetune.config.TrainConfig.Optim;
import org.sparkfinetune.config.TrainConfig.Optimization;

/** transformers' schedulers, with the warm-up in steps and as a ratio. */
class LearningRateParityTest {
  @Test
  void every_step_of_every_schedule() throws Exception {
    JsonNode golden = GoldenRun.json("variants/schedules.json");
    assertThat(golden).hasSize(20);
    for (JsonNode run : golden) {
      double warmup = run.path("warmup").asDouble();
      LearningRate ours =
          new LearningRate(
              new Optimization(
                  2e-4,
                  LrSchedulerType.valueOf(run.path("schedule").asText().toUpperCase(Locale.ROOT)),
                  Optional.empty(),
                  warmup < 1 ? warmup : 0,
                  warmup < 1 ? 0 : (int) warmup,
                  0,
                  0.9,
                  0.999,
                  1e-8,
                  0,
                  Optional.empty(),
                  Optim.ADAMW_TORCH),
              run.path("steps").asLong());
      for (int step = 1; step <= run.path("steps").asInt(); step++) {
        assertThat(ours.at(step))
            .as("step %d of %s", step, run)
            .isCloseTo(run.path("learning_rates").get(step - 1).asDouble(), within(1e-15));
      }
    }
  }
}
