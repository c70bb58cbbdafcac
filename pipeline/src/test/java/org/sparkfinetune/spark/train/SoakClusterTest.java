package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.apache.spark.api.java.JavaSparkContext;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One run whose executors are killed again and again: {@code mvn verify -Psoak}. */
@EnabledIfSystemProperty(named = "soak", matches = "true", disabledReason = "mvn verify -Psoak")
class SoakClusterTest {
  private static final Logger LOG = LoggerFactory.getLogger(SoakClusterTest.class);
  private static final int DEATHS = 20;
  private static final String[] LENGTH = {"--max_steps", "96", "--max_attempts", "25"};

  @TempDir Path folder;

  @Test
  void twenty_deaths_change_nothing() throws IOException {
    SampleRun sample = new SampleRun(folder);
    try (JavaSparkContext spark =
        Contexts.twoExecutors(1, Map.of("spark.deploy.maxExecutorRetries", "-1"))) {
      Path uninterrupted = folder.resolve("uninterrupted");
      sample.train(spark, uninterrupted, LENGTH);
      Path run = folder.resolve("run");
      CompletableFuture<Void> training =
          CompletableFuture.runAsync(() -> sample.train(spark, run, LENGTH));
      Random random = new Random(1);
      String last = "";
      for (int death = 1; death <= DEATHS; death++) {
        last = awaitCheckpointAfter(last, run, training);
        List<ProcessHandle> executors = SampleRun.executors();
        ProcessHandle victim = executors.get(random.nextInt(executors.size()));
        LOG.info("Death {}, after {}: process {}", death, last, victim.pid());
        victim.destroyForcibly();
      }
      training.join();
      assertThat(SampleRun.summary(run).path("attempts").asInt()).isEqualTo(DEATHS + 1);
      assertThat(SampleRun.adapter(run)).isEqualTo(SampleRun.adapter(uninterrupted));
      assertThat(SampleRun.metrics(run, "loss")).hasSize(96);
    }
  }

  private static String awaitCheckpointAfter(
      String last, Path run, CompletableFuture<Void> training) {
    return Awaitility.await()
        .atMost(Duration.ofMinutes(3))
        .pollInterval(Duration.ofMillis(20))
        .until(
            () -> {
              assertThat(training).isNotDone();
              List<String> all = SampleRun.checkpoints(run);
              return all.isEmpty() ? "" : all.get(all.size() - 1);
            },
            newest -> newest.compareTo(last) > 0);
  }
}
