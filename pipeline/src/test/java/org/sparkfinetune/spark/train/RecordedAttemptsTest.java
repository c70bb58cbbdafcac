package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.OptionalLong;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.metrics.AttemptLog;
import org.sparkfinetune.engine.metrics.AttemptLog.AttemptEvent;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.spark.cluster.BarrierStage.StageCancelled;
import org.sparkfinetune.spark.train.AttemptLoop.RecordedAttempts;
import org.sparkfinetune.store.Retry;
import org.sparkfinetune.store.Store;

class RecordedAttemptsTest {
  @TempDir Path folder;

  @Test
  void what_somebody_ended_in_Spark_was_stopped_and_has_not_failed() {
    assertThat(endOf(new StageCancelled(new RuntimeException("Job 1 cancelled"))))
        .isEqualTo(AttemptEvent.Kind.STOPPED);
  }

  @Test
  void any_other_end_is_a_failure() {
    assertThat(endOf(new RunFailure("The disk is full."))).isEqualTo(AttemptEvent.Kind.FAILED);
  }

  private AttemptEvent.Kind endOf(RuntimeException thrown) {
    AttemptLog log =
        new AttemptLog(RunFolder.of(folder.toString()), new Store(new Configuration()));
    var attempt =
        new RecordedAttempts(log, Retry.within(Duration.ofMillis(2), Duration.ofMillis(1)), 10)
            .recording(
                number -> {
                  throw thrown;
                });
    assertThatThrownBy(() -> attempt.run(0, OptionalLong.of(4))).isSameAs(thrown);
    assertThat(log.read()).extracting(AttemptEvent::step).containsExactly(4L, 4L);
    return log.read().get(1).kind();
  }
}
