package org.sparkfinetune.engine.fsdp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** Tasks write into memory that the caller frees once {@code run} has returned. */
class WorkersTest {
  private final CountDownLatch begun = new CountDownLatch(1);
  private final CountDownLatch mayEnd = new CountDownLatch(1);
  private final AtomicBoolean ended = new AtomicBoolean();

  /** What the caller saw. */
  private record Seen(Throwable thrown, boolean othersHadEnded, boolean interrupted) {}

  private Seen seen;

  private void longTask() {
    begun.countDown();
    awaitUninterruptibly(mayEnd);
    ended.set(true);
  }

  private static void awaitUninterruptibly(CountDownLatch latch) {
    while (true) {
      try {
        latch.await();
        return;
      } catch (InterruptedException e) {
        // Native code that writes into a tensor does not stop for it either.
      }
    }
  }

  /** The caller's own task, and a long one on the other thread, which ends once run waits. */
  private Seen run(Runnable own) throws InterruptedException {
    try (Workers workers = new Workers(2)) {
      Thread caller =
          new Thread(
              () -> {
                Throwable thrown = null;
                try {
                  workers.run(List.of(own, this::longTask));
                } catch (Throwable e) {
                  thrown = e;
                }
                seen = new Seen(thrown, ended.get(), Thread.currentThread().isInterrupted());
              });
      caller.start();
      await()
          .until(
              () ->
                  begun.getCount() == 0
                      && (caller.getState() == Thread.State.WAITING || !caller.isAlive()));
      mayEnd.countDown();
      caller.join();
      return seen;
    }
  }

  @Test
  void an_error_of_the_caller_is_thrown_when_the_others_have_ended() throws Exception {
    Seen seen =
        run(
            () -> {
              awaitUninterruptibly(begun);
              throw new OutOfMemoryError("of the caller");
            });
    assertThat(seen.thrown()).isInstanceOf(OutOfMemoryError.class).hasMessage("of the caller");
    assertThat(seen.othersHadEnded()).isTrue();
  }

  @Test
  void an_interrupt_waits_for_the_others_and_is_left_to_the_caller() throws Exception {
    Seen seen =
        run(
            () -> {
              awaitUninterruptibly(begun);
              Thread.currentThread().interrupt();
            });
    assertThat(seen).isEqualTo(new Seen(null, true, true));
  }

  @Test
  void an_error_of_another_thread_is_thrown_as_it_is_and_the_rest_is_not_begun() {
    try (Workers workers = new Workers(2)) {
      AtomicBoolean late = new AtomicBoolean();
      List<Runnable> tasks =
          List.of(
              () -> {},
              () -> {
                begun.countDown();
                throw new OutOfMemoryError("of another");
              },
              () -> awaitUninterruptibly(begun),
              () -> late.set(true));
      Throwable thrown = null;
      try {
        workers.run(tasks);
      } catch (OutOfMemoryError e) {
        thrown = e;
      }
      assertThat(thrown).hasMessage("of another");
      assertThat(late).isFalse();
    }
  }
}
