package org.sparkfinetune.spark.cluster;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.slf4j.MDC;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.ExchangeStats.Traffic;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.exchange.Shard;
import org.sparkfinetune.engine.tensor.CudaWords;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.cluster.BarrierStage.AttemptFailure;
import org.sparkfinetune.spark.cluster.RankPlanner.RankPlan;
import org.sparkfinetune.spark.train.AttemptLoop;
import org.sparkfinetune.spark.train.Contexts;

/** Ranks in executor JVMs of their own; executors have two cores, so that two ranks would fit. */
class BarrierStageClusterTest {
  private static JavaSparkContext spark;
  private static RankPlanner planner;

  @BeforeAll
  static void start() {
    spark = Contexts.twoExecutors(2);
    planner = new RankPlanner(spark, Duration.ofSeconds(30));
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  private static BarrierStage stage(ExchangeSettings settings) {
    return new BarrierStage(spark, planner, planner.plan(OptionalInt.empty()), settings);
  }

  private static BarrierStage stage() {
    return stage(ExchangeSettings.defaults());
  }

  @Test
  void two_ranks_in_two_processes_exchange_bytes_and_sums() {
    List<String> results = texts(stage().run(BarrierStageClusterTest::exchanging, 0));
    assertThat(results).hasSize(2);
    assertThat(results.get(0)).startsWith("0 of 2, logs as 0, sum 3.0, read 1, mapped true, ");
    assertThat(results.get(1)).startsWith("1 of 2, logs as 1, sum 3.0, read 0, mapped true, ");
    assertThat(pid(results.get(0))).isNotEqualTo(pid(results.get(1)));
    assertThat(List.of(pid(results.get(0)), pid(results.get(1))))
        .doesNotContain(Long.toString(ProcessHandle.current().pid()));
  }

  @Test
  void over_the_network_and_encrypted_it_is_the_same() {
    ExchangeSettings settings =
        ExchangeSettings.defaults()
            .with(ExchangeSettings.Mapping.NETWORK)
            .with(ExchangeSettings.Encryption.ON);
    List<String> results = texts(stage(settings).run(BarrierStageClusterTest::exchanging, 0));
    assertThat(results.get(0)).startsWith("0 of 2, logs as 0, sum 3.0, read 1, mapped false, ");
  }

  private static byte[] exchanging(RankContext rank) throws IOException {
    ProcessGroup exchange = rank.exchange();
    Path file = Files.write(rank.scratch().resolve("shard"), new byte[] {(byte) rank.rank()});
    exchange.serve(Shard.file(file));
    int peer = 1 - rank.rank();
    int read = exchange.await(exchange.frozen(peer, 0, 1)).get(0);
    double sum = exchange.sum("ranks", 0, new double[] {rank.rank() + 1})[0];
    return "%d of %d, logs as %s, sum %s, read %d, mapped %s, pid %d"
        .formatted(
            rank.rank(),
            rank.worldSize(),
            MDC.get("rank"),
            sum,
            read,
            exchange.stats().bytes(Traffic.MAPPED) > 0,
            ProcessHandle.current().pid())
        .getBytes(UTF_8);
  }

  @Test
  void an_executor_gets_what_training_needs() {
    List<String> results =
        texts(
            stage()
                .run(
                    rank ->
                        "%s %s %s %s"
                            .formatted(
                                ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent(),
                                System.getenv("OMP_NUM_THREADS"),
                                System.getProperty("ai.djl.pytorch.num_threads"),
                                System.getenv("DJL_OFFLINE"))
                            .getBytes(UTF_8),
                    0));
    assertThat(results).containsExactly("true 2 2 true", "true 2 2 true");
  }

  @Test
  void one_rank_on_two_executors_is_one_rank() {
    RankPlan plan = planner.plan(OptionalInt.of(1));
    BarrierStage stage = new BarrierStage(spark, planner, plan, ExchangeSettings.defaults());
    assertThat(texts(stage.run(rank -> rank.host().getBytes(UTF_8), 0))).hasSize(1);
  }

  @Test
  void more_ranks_than_executors_are_refused_with_numbers() {
    assertThatThrownBy(() -> planner.plan(OptionalInt.of(3)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("num_ranks is 3")
        .hasMessageContaining("local-cluster[2,2,1024] allow 2 executors");
  }

  @Test
  void a_users_mistake_on_a_rank_stays_one_and_is_not_retried() {
    List<Integer> attempts = new ArrayList<>();
    AttemptLoop loop = new AttemptLoop(3, OptionalLong::empty, () -> false);
    assertThatThrownBy(
            () ->
                loop.run(
                    (number, checkpoint) -> {
                      attempts.add(number);
                      return stage().run(BarrierStageClusterTest::mistaken, number);
                    }))
        .isInstanceOf(UserError.class)
        .hasMessage("The model has no weight named lm_head.");
    assertThat(attempts).containsExactly(0);
  }

  private static byte[] mistaken(RankContext rank) {
    if (rank.rank() == 1) {
      throw new UserError("The model has no weight named lm_head.");
    }
    rank.exchange().sum("never", 0, new double[1]);
    return new byte[0];
  }

  @Test
  void an_exception_is_reported_with_rank_host_phase_and_step_not_its_consequence() {
    assertThatThrownBy(() -> stage().run(BarrierStageClusterTest::failing, 0))
        .isInstanceOf(AttemptFailure.class)
        .hasMessageMatching(
            "rank 1 on [^ ]+ in backward of step 17: java.lang.IllegalStateException: NaN");
  }

  private static byte[] failing(RankContext rank) {
    rank.progress().enter("backward", 17);
    if (rank.rank() == 1) {
      throw new IllegalStateException("NaN");
    }
    rank.exchange().sum("never", 0, new double[1]);
    return new byte[0];
  }

  @Test
  void a_killed_executor_is_named_replaced_and_the_next_attempt_succeeds() {
    long start = System.nanoTime();
    assertThatThrownBy(() -> stage().run(BarrierStageClusterTest::dying, 0))
        .isInstanceOf(AttemptFailure.class)
        .hasMessageMatching("(?s)rank 1 on [^ ]+: its executor was lost: .*");
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(20));

    BarrierStage stage = stage();
    List<byte[]> results =
        new AttemptLoop(3, () -> OptionalLong.of(7), () -> false)
            .run((number, checkpoint) -> stage.run(BarrierStageClusterTest::dying, number));
    assertThat(texts(results)).containsExactly("attempt 1", "attempt 1");
  }

  private static byte[] dying(RankContext rank) {
    rank.progress().enter("forward", 3);
    if (rank.rank() == 1 && rank.attempt() == 0) {
      Runtime.getRuntime().halt(137);
    }
    ProcessGroup exchange = rank.exchange();
    exchange.await(exchange.push(1 - rank.rank(), "x", 0, ByteBuffer.allocateDirect(8)));
    exchange.sum("all here", 0, new double[1]);
    return ("attempt " + rank.attempt()).getBytes(UTF_8);
  }

  @Test
  void a_process_that_lost_its_gpu_ends_after_it_has_said_so_and_a_new_one_goes_on() {
    BarrierStage stage = stage();
    List<String> failed = new ArrayList<>();
    List<byte[]> results =
        new AttemptLoop(2, () -> OptionalLong.of(7), () -> false)
            .run(
                (number, checkpoint) -> {
                  try {
                    return stage.run(BarrierStageClusterTest::losingTheGpu, number);
                  } catch (AttemptFailure e) {
                    failed.add(e.first().text());
                    throw e;
                  }
                });
    assertThat(failed)
        .singleElement()
        .asString()
        .matches("(?s)rank 1 on [^ ]+ in backward of step 9: CUDA failed on GPU 3 .*")
        .contains("an illegal memory access was encountered");
    // Of the process that failed nothing is left; the other one goes on.
    assertThat(texts(results)).containsExactly("no mark", "no mark");
  }

  private static byte[] losingTheGpu(RankContext rank) {
    rank.progress().enter("backward", 9);
    String mark = System.getProperty("test.lost-gpu", "no mark");
    if (rank.rank() == 1 && rank.attempt() == 0) {
      System.setProperty("test.lost-gpu", "the process that failed");
      throw CudaWords.failure("CUDA error: an illegal memory access was encountered");
    }
    rank.exchange().sum("all here", 0, new double[1]);
    return mark.getBytes(UTF_8);
  }

  @Test
  void a_run_that_loses_an_executor_every_time_ends_with_the_first_cause() {
    BarrierStage stage = stage();
    assertThatThrownBy(
            () ->
                new AttemptLoop(1, OptionalLong::empty, () -> false)
                    .run((number, checkpoint) -> stage.run(BarrierStageClusterTest::dying, 0)))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("First cause: rank 1 on ")
        .hasMessageContaining("its executor was lost")
        .hasMessageContaining("start 1 of max_attempts 1");
  }

  private static String pid(String result) {
    return result.substring(result.indexOf("pid ") + 4);
  }

  private static List<String> texts(List<byte[]> results) {
    return results.stream().map(bytes -> new String(bytes, UTF_8)).toList();
  }
}
