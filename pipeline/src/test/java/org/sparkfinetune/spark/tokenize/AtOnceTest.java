package org.sparkfinetune.spark.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

final class AtOnceTest {
  /** Each waits for the other to have begun. */
  @Test
  void both_run_at_the_same_time() {
    CountDownLatch begun = new CountDownLatch(2);

    AtOnce.Both<String, Integer> both = AtOnce.run(() -> met(begun, "one"), () -> met(begun, 2));

    assertThat(both.first()).isEqualTo("one");
    assertThat(both.second()).isEqualTo(2);
  }

  private static <T> T met(CountDownLatch begun, T result) {
    begun.countDown();
    await(begun);
    return result;
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The second goes on only when the caller waits for it. */
  @Test
  void of_two_failures_the_first_ones_is_told_when_both_have_ended() {
    Thread caller = Thread.currentThread();
    CountDownLatch firstFails = new CountDownLatch(1);
    AtomicBoolean ended = new AtomicBoolean();
    Supplier<Integer> second =
        () -> {
          await(firstFails);
          while (caller.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
          }
          ended.set(true);
          throw new IllegalArgumentException("second");
        };

    assertThatThrownBy(
            () ->
                AtOnce.run(
                    () -> {
                      firstFails.countDown();
                      throw new IllegalStateException("first");
                    },
                    second))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("first");
    assertThat(ended).isTrue();
  }

  @Test
  void the_seconds_failure_is_thrown_as_it_is() {
    IOException checked = new IOException("checked, and not declared");

    assertThatThrownBy(
            () ->
                AtOnce.run(
                    () -> 1, () -> AtOnceTest.<Integer, RuntimeException>undeclared(checked)))
        .isSameAs(checked);
  }

  @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
  private static <T, E extends Throwable> T undeclared(Throwable failure) throws E {
    throw (E) failure;
  }

  @Test
  void the_second_has_the_callers_class_loader_and_inherited_values() {
    InheritableThreadLocal<String> group = new InheritableThreadLocal<>();
    group.set("nightly");
    ClassLoader before = Thread.currentThread().getContextClassLoader();
    ClassLoader own = new ClassLoader(before) {};
    Thread.currentThread().setContextClassLoader(own);
    try {
      AtOnce.Both<Integer, ClassLoader> both =
          AtOnce.run(
              () -> 1,
              () -> {
                assertThat(group.get()).isEqualTo("nightly");
                return Thread.currentThread().getContextClassLoader();
              });
      assertThat(both.second()).isSameAs(own);
    } finally {
      Thread.currentThread().setContextClassLoader(before);
    }
  }
}
