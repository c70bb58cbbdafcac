package org.sparkfinetune.engine.exchange;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class BorrowedMemoryTest {
  private final BorrowedMemory memory = new BorrowedMemory();

  @Test
  void what_is_read_is_not_returned_and_what_was_withdrawn_is_not_read() {
    assertThat(memory.beginPublished()).isTrue();
    assertThat(memory.withdraw(Duration.ofMillis(20))).isFalse();
    assertThat(memory.beginPublished()).isFalse();
    memory.end();
    assertThat(memory.withdraw(Duration.ofMillis(20))).isTrue();
  }

  @Test
  void an_interrupt_does_not_end_the_waiting() throws InterruptedException {
    memory.beginPushed();
    AtomicReference<String> seen = new AtomicReference<>("nothing");
    Thread lender =
        new Thread(
            () -> {
              boolean returned = memory.withdraw(Duration.ofMinutes(1));
              seen.set(returned + ", interrupted: " + Thread.currentThread().isInterrupted());
            });
    lender.start();
    lender.interrupt();
    await().until(() -> lender.getState() == Thread.State.TIMED_WAITING && !lender.isInterrupted());
    memory.end();
    lender.join();
    assertThat(seen).hasValue("true, interrupted: true");
  }
}
