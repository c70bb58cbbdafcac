package org.sparkfinetune.launch;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.exchange.ExchangeSettings;

/** Local mode: driver and the one rank share a JVM. */
class BarrierStageSparkTest {
  private final JavaSparkContext spark = Contexts.local();
  private final RankPlanner planner = new RankPlanner(spark, Duration.ofSeconds(5));

  @Test
  void one_rank_runs_in_the_drivers_jvm_and_its_scratch_is_deleted() {
    RankPlan plan = planner.plan(OptionalInt.empty());
    assertThat(plan).isEqualTo(new RankPlan(1, 2));
    BarrierStage stage = new BarrierStage(spark, planner, plan, ExchangeSettings.defaults());
    List<byte[]> results =
        stage.run(
            rank -> {
              Files.writeString(rank.scratch().resolve("file"), "x");
              double sum = rank.exchange().sum("alone", 0, new double[] {2.5})[0];
              return "%s %s %d".formatted(rank.scratch(), sum, rank.attempt()).getBytes(UTF_8);
            },
            4);
    String[] result = new String(results.get(0), UTF_8).split(" ", 3);
    assertThat(Path.of(result[0])).doesNotExist();
    assertThat(result[1]).isEqualTo("2.5");
    assertThat(result[2]).isEqualTo("4");
  }

  @Test
  void two_ranks_in_local_mode_are_refused_at_once() {
    assertThatThrownBy(() -> planner.plan(OptionalInt.of(2)))
        .isInstanceOf(UserError.class)
        .hasMessage(
            "num_ranks is 2, but the settings of master local[2] allow 1 executor, and each rank"
                + " needs one of its own. In local mode driver and executor are one JVM: use"
                + " local-cluster[2,1,2048] or a real cluster for more ranks; or lower num_ranks.");
  }

  @Test
  void an_error_of_the_task_comes_with_its_place() {
    RankPlan plan = planner.plan(OptionalInt.of(1));
    BarrierStage stage = new BarrierStage(spark, planner, plan, ExchangeSettings.defaults());
    assertThatThrownBy(
            () ->
                stage.run(
                    rank -> {
                      rank.progress().enter("loading the model");
                      throw new java.io.IOException("disk full");
                    },
                    0))
        .isInstanceOf(AttemptFailure.class)
        .hasMessageMatching("rank 0 on [^ ]+ in loading the model: java.io.IOException: disk full");
  }
}
