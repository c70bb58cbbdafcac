package org.sparkfinetune.spark.cluster;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import org.apache.spark.api.java.JavaSparkContext;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.cluster.BarrierStage.AttemptFailure;
import org.sparkfinetune.spark.cluster.BarrierStage.StageCancelled;
import org.sparkfinetune.spark.cluster.RankPlanner.RankPlan;
import org.sparkfinetune.spark.train.Contexts;

/** Local mode: driver and the one rank share a JVM. */
class BarrierStageSparkTest {
  @TempDir Path folder;
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

  @Test
  void a_stage_that_is_cancelled_in_spark_ends_when_its_rank_has_finished_the_step()
      throws Exception {
    BarrierStage stage =
        new BarrierStage(
            spark, planner, planner.plan(OptionalInt.of(1)), ExchangeSettings.defaults());
    Path started = folder.resolve("started");
    Path finished = folder.resolve("finished");
    String where = folder.toString();
    CompletableFuture<List<byte[]>> running =
        CompletableFuture.supplyAsync(() -> stage.run(rank -> step(rank, where), 0));
    Awaitility.await().until(() -> Files.exists(started) || running.isDone());
    spark.sc().cancelAllJobs();
    assertThatThrownBy(running::join).hasCauseInstanceOf(StageCancelled.class);
    assertThat(finished).exists();
  }

  /** A step that goes on for a moment after the wish that it be the last. */
  private static byte[] step(RankContext rank, String folder) throws java.io.IOException {
    Files.createFile(Path.of(folder, "started"));
    Awaitility.await().until(() -> rank.cancelled().getAsBoolean());
    Awaitility.await().pollDelay(Duration.ofMillis(300)).until(() -> true);
    Files.createFile(Path.of(folder, "finished"));
    return new byte[0];
  }
}
