package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.cluster.BarrierStage.AttemptFailure;
import org.sparkfinetune.spark.cluster.RankContext.RankProgress;
import org.sparkfinetune.spark.cluster.RankFailure;
import org.sparkfinetune.spark.cluster.RootCause;

class AttemptLoopTest {
  private final List<String> starts = new ArrayList<>();
  private int lookedUp;

  @Test
  void an_attempt_that_succeeds_is_the_only_one() {
    assertThat(run(3, List.of())).isEqualTo("done");
    assertThat(starts).containsExactly("0 from nothing");
  }

  @Test
  void lost_executors_are_retried_from_the_last_checkpoint_even_if_it_is_the_same_each_time() {
    RuntimeException lost = failure(RootCause.lost(1, "w1", "killed"));
    assertThat(run(4, List.of(lost, lost, lost))).isEqualTo("done");
    assertThat(starts).containsExactly("0 from nothing", "1 from 10", "2 from 20", "3 from 30");
  }

  @Test
  void where_to_begin_is_looked_up_once_for_each_start() {
    RuntimeException lost = failure(RootCause.lost(1, "w1", "killed"));
    run(4, List.of(lost, lost));
    assertThat(starts).hasSize(3);
    assertThat(lookedUp).isEqualTo(3);
  }

  @Test
  void attempts_end_with_the_first_cause() {
    RuntimeException lost = failure(RootCause.lost(1, "w1", "killed"));
    assertThatThrownBy(() -> run(2, List.of(lost, lost)))
        .isInstanceOf(RunFailure.class)
        .hasMessage(
            "The run failed. First cause: rank 1 on w1: its executor was lost: killed. That was"
                + " start 2 of max_attempts 2.");
  }

  @Test
  void a_users_mistake_is_not_retried() {
    assertThatThrownBy(() -> run(3, List.of(new UserError("no such file"))))
        .isInstanceOf(UserError.class);
    assertThat(starts).hasSize(1);
  }

  @Test
  void the_same_failure_at_the_same_step_is_not_tried_a_third_time() {
    RuntimeException nan = failure(thrown(0, 17, new RunFailure("The loss is NaN.")));
    RuntimeException other = failure(thrown(1, 17, new RunFailure("The loss is NaN.")));
    assertThatThrownBy(() -> run(5, List.of(nan, other)))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("rank 1 on w in forward of step 17: The loss is NaN. It failed in")
        .hasMessageContaining("at the same step before");
    assertThat(starts).hasSize(2);
  }

  @Test
  void a_failure_with_other_sizes_in_its_words_is_the_same() {
    String full = "GPU 3 (cuda:1) has no memory left for %s more.";
    RuntimeException first = failure(thrown(0, 17, new RunFailure(full.formatted("2.00 GiB"))));
    RuntimeException again = failure(thrown(0, 17, new RunFailure(full.formatted("512.50 MiB"))));
    assertThatThrownBy(() -> run(5, List.of(first, again)))
        .hasMessageContaining("It failed in the same way at the same step before");
    RuntimeException other =
        failure(thrown(0, 17, new RunFailure(full.replace("GPU 3", "GPU 4").formatted("1 bytes"))));
    starts.clear();
    assertThat(run(5, List.of(first, other))).isEqualTo("done");
  }

  @Test
  void the_same_failure_at_another_step_is_tried_again() {
    RuntimeException at17 = failure(thrown(0, 17, new RunFailure("The loss is NaN.")));
    RuntimeException at18 = failure(thrown(0, 18, new RunFailure("The loss is NaN.")));
    assertThat(run(5, List.of(at17, at18))).isEqualTo("done");
  }

  @Test
  void a_bug_stays_a_bug() {
    RuntimeException bug = failure(thrown(0, 1, new Bug("Negative size.")));
    assertThatThrownBy(() -> run(1, List.of(bug))).isInstanceOf(Bug.class);
  }

  private String run(int maxAttempts, List<RuntimeException> failures) {
    Deque<RuntimeException> left = new ArrayDeque<>(failures);
    AttemptLoop loop =
        new AttemptLoop(
            maxAttempts,
            () -> {
              lookedUp++;
              return starts.isEmpty() ? OptionalLong.empty() : OptionalLong.of(10L * starts.size());
            },
            () -> false);
    return loop.run(
        (number, checkpoint) -> {
          starts.add(
              number + " from " + (checkpoint.isPresent() ? checkpoint.getAsLong() : "nothing"));
          if (!left.isEmpty()) {
            throw left.poll();
          }
          return "done";
        });
  }

  private static AttemptFailure failure(RootCause first) {
    return new AttemptFailure(first, new RuntimeException("Spark's words"));
  }

  private static RootCause thrown(int rank, long step, Throwable cause) {
    RankProgress progress = new RankProgress();
    progress.enter("forward", step);
    return RootCause.of(RankFailure.of(rank, "w", progress.point(), cause, false));
  }
}
