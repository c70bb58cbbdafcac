package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Threads that share the parts of a loop, the caller among them. A token has a hundred loops of
 * some 50 microseconds, so a helper waits for the next one awake for a moment before it sleeps; an
 * executor service would spend as long on waking threads as on the loops.
 */
final class SpinningPool implements AutoCloseable {
  private static final int SPINS = 20_000;

  private final List<Thread> helpers = new ArrayList<>();
  private volatile @Nullable Loop current;
  private volatile boolean closed;

  private static final class Loop {
    final IntConsumer body;
    final int parts;
    final AtomicInteger next = new AtomicInteger();
    final AtomicInteger done = new AtomicInteger();
    final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

    Loop(IntConsumer body, int parts) {
      this.body = body;
      this.parts = parts;
    }

    void work() {
      for (int part = next.getAndIncrement(); part < parts; part = next.getAndIncrement()) {
        try {
          body.accept(part);
        } catch (RuntimeException | Error e) {
          failure.compareAndSet(null, e);
        } finally {
          done.incrementAndGet();
        }
      }
    }
  }

  SpinningPool(int threads) {
    for (int i = 1; i < threads; i++) {
      Thread helper = new Thread(this::help, "decode-" + i);
      helper.setDaemon(true);
      helper.start();
      helpers.add(helper);
    }
  }

  int threads() {
    return helpers.size() + 1;
  }

  /** Runs the body for 0 to parts - 1, in any order, and returns when all are done. */
  void run(int parts, IntConsumer body) {
    if (helpers.isEmpty() || parts == 1) {
      for (int part = 0; part < parts; part++) {
        body.accept(part);
      }
      return;
    }
    Loop loop = new Loop(body, parts);
    current = loop;
    helpers.forEach(LockSupport::unpark);
    loop.work();
    for (int spins = 0; loop.done.get() < parts; spins++) {
      if (spins < SPINS) {
        Thread.onSpinWait();
      } else {
        Thread.yield();
      }
    }
    Throwable failure = loop.failure.get();
    if (failure instanceof RuntimeException exception) {
      throw exception;
    }
    if (failure instanceof Error error) {
      throw error;
    }
  }

  private void help() {
    Loop last = null;
    while (!closed) {
      Loop loop = current;
      for (int spins = 0; loop == last && spins < SPINS && !closed; spins++) {
        Thread.onSpinWait();
        loop = current;
      }
      if (loop == last) {
        LockSupport.park(this);
      } else if (loop != null) {
        last = loop;
        loop.work();
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    helpers.forEach(LockSupport::unpark);
  }
}
