package org.sparkfinetune.spark.generate;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.LongStream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.config.GenerateConfig;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.Sampling;
import org.sparkfinetune.spark.train.Contexts;
import org.sparkfinetune.spark.train.SampleRun;

/** Batch inference on two executor processes, one of which is killed. */
final class GenerateJobClusterTest {
  /** {@code -Dprompts=10000} asks for more; a test of every build has to be short. */
  private static final int PROMPTS = Integer.getInteger("prompts", 160);

  private static final int TASKS = 8;

  @TempDir Path folder;

  /** Which executors have answered, and which are gone. */
  private static final class Watch extends SparkListener {
    private final Map<Integer, Integer> tasksOfStage = new HashMap<>();
    private final Map<String, Integer> answered = new HashMap<>();
    private final Set<String> removed = new HashSet<>();

    @Override
    public synchronized void onStageSubmitted(SparkListenerStageSubmitted stage) {
      tasksOfStage.put(stage.stageInfo().stageId(), stage.stageInfo().numTasks());
    }

    @Override
    public synchronized void onTaskEnd(SparkListenerTaskEnd task) {
      if (task.taskInfo().successful() && tasksOfStage.get(task.stageId()) == TASKS) {
        answered.merge(task.taskInfo().executorId(), 1, Integer::sum);
      }
    }

    @Override
    public synchronized void onExecutorRemoved(SparkListenerExecutorRemoved executor) {
      removed.add(executor.executorId());
    }

    synchronized Map<String, Integer> answered() {
      return Map.copyOf(answered);
    }

    synchronized Set<String> removed() {
      return Set.copyOf(removed);
    }
  }

  @Test
  void every_row_is_written_once_though_an_executor_is_killed_halfway() throws IOException {
    Path input = folder.resolve("prompts.jsonl");
    Files.write(
        input,
        LongStream.range(0, PROMPTS)
            .mapToObj(i -> "{\"id\": %d, \"text\": \"How many of %d?\"}".formatted(i, i))
            .toList());
    String output = folder.resolve("answers").toString();
    Watch watch = new Watch();
    try (JavaSparkContext context = Contexts.twoExecutors(1)) {
      context.sc().addSparkListener(watch);
      SparkSession spark = SparkSession.builder().sparkContext(context.sc()).getOrCreate();
      CompletableFuture<Long> rows =
          CompletableFuture.supplyAsync(() -> answer(spark, input, output));
      Awaitility.await()
          .atMost(Duration.ofMinutes(20))
          .until(() -> rows.isDone() || isHalfway(watch.answered()));
      assertThat(watch.answered()).containsOnlyKeys("0", "1");
      assertThat(rows).isNotDone();
      SampleRun.executors().get(0).destroyForcibly();

      assertThat(rows.join()).isEqualTo(PROMPTS);
      assertThat(watch.removed()).hasSize(1);
      List<Row> answers = spark.read().parquet(output).orderBy("id").collectAsList();
      assertThat(answers.stream().map(row -> row.<Long>getAs("id")).toList())
          .isEqualTo(LongStream.range(0, PROMPTS).boxed().toList());
      assertThat(answers)
          .allMatch(row -> !row.<String>getAs("finish_reason").startsWith("error"))
          .allMatch(row -> row.<Integer>getAs("answer_tokens") <= 4);
    }
    assertThat(folder.toFile().list()).containsExactlyInAnyOrder("prompts.jsonl", "answers");
  }

  private static boolean isHalfway(Map<String, Integer> answered) {
    int tasks = answered.values().stream().mapToInt(count -> count).sum();
    return answered.size() == 2 && tasks >= TASKS / 2;
  }

  private static long answer(SparkSession spark, Path input, String output) {
    ModelChoice model =
        new ModelChoice(
            SampleRun.MODEL.toString(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty());
    return new GenerateJob(spark)
        .run(
            new GenerateConfig.Batch(input.toString(), "text", output, CsvFormat.RFC_4180),
            model,
            Sampling.greedy(4, 8));
  }
}
