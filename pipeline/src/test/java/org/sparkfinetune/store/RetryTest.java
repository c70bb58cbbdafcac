package org.sparkfinetune.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;

class RetryTest {
  private final AtomicInteger asked = new AtomicInteger();

  private String answerAt(int time) {
    if (asked.incrementAndGet() < time) {
      throw new RunFailure("hdfs://nn/run could not be listed: connection refused.");
    }
    return "there";
  }

  @Test
  void a_store_that_comes_back_is_asked_until_it_answers() {
    Retry patience = Retry.within(Duration.ofMinutes(1), Duration.ofMillis(1));
    assertThat(patience.ask(() -> answerAt(4))).isEqualTo("there");
    assertThat(asked).hasValue(4);
  }

  @Test
  void a_store_that_stays_away_ends_in_its_own_words() {
    Retry patience = Retry.within(Duration.ofMillis(5), Duration.ofMillis(1));
    assertThatThrownBy(() -> patience.ask(() -> answerAt(Integer.MAX_VALUE)))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("could not be listed");
  }

  @Test
  void a_users_mistake_is_not_asked_again() {
    Retry patience = Retry.within(Duration.ofMinutes(1), Duration.ofMillis(1));
    assertThatThrownBy(
            () ->
                patience.ask(
                    () -> {
                      asked.incrementAndGet();
                      throw new UserError("Another run's checkpoint.");
                    }))
        .isInstanceOf(UserError.class);
    assertThat(asked).hasValue(1);
  }
}
