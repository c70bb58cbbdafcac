package org.sparkfinetune.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.SparkContext;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.util.LongAccumulator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.testing.SparkSessions;

class TaskProgressSparkTest {
  private static final Duration PATIENCE = Duration.ofSeconds(30);
  private static volatile CountDownLatch seen = new CountDownLatch(1);

  private final SparkContext spark = SparkSessions.shared().sparkContext();
  private final LongAccumulator done = spark.longAccumulator("rows");
  private final AtomicLong reached = new AtomicLong();

  @BeforeEach
  void begin() {
    seen = new CountDownLatch(1);
  }

  @Test
  void what_running_tasks_have_done_is_told_before_they_end_and_counts_once() {
    LongAccumulator rows = done;
    try (TaskProgress unused = TaskProgress.listen(spark, done, reached::set)) {
      CompletableFuture<Void> job =
          CompletableFuture.runAsync(
              () ->
                  JavaSparkContext.fromSparkContext(spark)
                      .parallelize(List.of(1, 2, 3, 4), 2)
                      .foreachPartition(
                          part -> {
                            part.forEachRemaining(row -> rows.add(1));
                            seen.await();
                            rows.add(10);
                          }));
      await().atMost(PATIENCE).until(() -> reached.get() == 4);
      assertThat(job).isNotDone();
      seen.countDown();
      job.join();
      await().atMost(PATIENCE).until(() -> reached.get() == 24);
    }
  }

  @Test
  void after_it_is_closed_nothing_is_told() {
    LongAccumulator rows = done;
    TaskProgress.listen(spark, done, reached::set).close();
    AtomicLong later = new AtomicLong();
    try (TaskProgress unused = TaskProgress.listen(spark, done, later::set)) {
      JavaSparkContext.fromSparkContext(spark)
          .parallelize(List.of(1), 1)
          .foreach(row -> rows.add(TaskContext.get().partitionId() + 7));
      await().atMost(PATIENCE).until(() -> later.get() == 7);
    }
    assertThat(reached).hasValue(0);
  }
}
