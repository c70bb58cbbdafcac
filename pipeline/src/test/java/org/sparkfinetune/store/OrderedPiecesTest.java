package org.sparkfinetune.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class OrderedPiecesTest {
  private static final int THREADS = 3;

  @Test
  void pieces_are_taken_in_order_though_the_first_is_made_last() {
    CountDownLatch others = new CountDownLatch(2);
    List<Long> taken = new ArrayList<>();
    try (OrderedPieces pieces = new OrderedPieces(THREADS)) {
      pieces.run(
          100,
          piece -> {
            if (piece == 0) {
              assertThat(awaited(others)).isTrue();
            }
            others.countDown();
            return piece;
          },
          taken::add);
    }
    assertThat(taken).isEqualTo(LongStream.range(0, 100).boxed().toList());
  }

  @Test
  void no_more_than_two_for_each_thread_wait() {
    AtomicInteger waiting = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    try (OrderedPieces pieces = new OrderedPieces(THREADS)) {
      pieces.run(
          1000,
          piece -> {
            most.accumulateAndGet(waiting.incrementAndGet(), Math::max);
            return piece;
          },
          piece -> waiting.decrementAndGet());
    }
    // The one that is taken was made.
    assertThat(most.get()).isBetween(1, 2 * THREADS + 1);
  }

  @Test
  void after_a_failure_nothing_is_made_any_more() {
    AtomicInteger running = new AtomicInteger();
    List<Long> taken = new ArrayList<>();
    try (OrderedPieces pieces = new OrderedPieces(THREADS)) {
      assertThatThrownBy(
              () ->
                  pieces.run(
                      1000,
                      piece -> {
                        running.incrementAndGet();
                        try {
                          if (piece == 20) {
                            throw new IllegalStateException("piece 20");
                          }
                          return piece;
                        } finally {
                          running.decrementAndGet();
                        }
                      },
                      taken::add))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("piece 20");
      assertThat(running).hasValue(0);
      assertThat(taken).isEqualTo(LongStream.range(0, 20).boxed().toList());
    }
  }

  @Test
  void one_who_cannot_take_ends_it_too() {
    AtomicInteger made = new AtomicInteger();
    try (OrderedPieces pieces = new OrderedPieces(THREADS)) {
      assertThatThrownBy(
              () ->
                  pieces.run(
                      1000,
                      piece -> made.incrementAndGet(),
                      piece -> {
                        throw new IllegalStateException("the disk is full");
                      }))
          .hasMessage("the disk is full");
    }
    assertThat(made.get()).isBetween(1, 2 * THREADS);
  }

  private static boolean awaited(CountDownLatch latch) {
    try {
      return latch.await(30, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
