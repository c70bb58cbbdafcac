package org.sparkfinetune.store;

import dev.failsafe.Failsafe;
import dev.failsafe.FailsafeException;
import dev.failsafe.RetryPolicy;
import dev.failsafe.RetryPolicyBuilder;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.Sentence;

/**
 * Tries again, after a pause, what failed and may work later: a store or a hub that was away for a
 * moment. It ends with the last failure.
 */
public final class Retry {
  private static final Logger LOG = LoggerFactory.getLogger(Retry.class);
  private static final int MOST_DOUBLINGS = 10;

  private final Predicate<Throwable> passing;
  private final int attempts;
  private final Optional<Duration> time;
  private final Duration pause;

  private Retry(
      Predicate<Throwable> passing, int attempts, Optional<Duration> time, Duration pause) {
    this.passing = passing;
    this.attempts = attempts;
    this.time = time;
    this.pause = pause;
  }

  /** What may fail. */
  public interface Work<T, E extends Exception> {
    /**
     * @param progressed to be called when something came, from where on attempts count anew
     */
    T run(Runnable progressed) throws E;
  }

  /** A failure that says how long to wait at least, such as HTTP's Retry-After. */
  public interface Delayed {
    Duration delay();
  }

  /** A store's {@link RunFailure}s, for a time. */
  public static Retry within(Duration time, Duration pause) {
    return new Retry(RunFailure.class::isInstance, Integer.MAX_VALUE, Optional.of(time), pause);
  }

  /** Whatever fails, until it works or the thread is interrupted. */
  public static Retry endless(Duration pause) {
    return new Retry(
        RuntimeException.class::isInstance, Integer.MAX_VALUE, Optional.empty(), pause);
  }

  /**
   * Exponential backoff.
   *
   * @param attempts in a row without progress
   * @param pause after the first; it doubles with each
   * @param passing which failures may pass
   */
  public static Retry backoff(int attempts, Duration pause, Predicate<Throwable> passing) {
    return new Retry(passing, attempts, Optional.empty(), pause);
  }

  /**
   * What the work gives.
   *
   * @param what for the log
   * @throws E the last attempt's failure
   */
  // Failsafe wraps what is checked; that can only be an interrupt or an E.
  @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
  public <T, E extends Exception> T call(String what, Work<T, E> work) throws E {
    AtomicInteger failures = new AtomicInteger();
    RetryPolicyBuilder<T> policy =
        RetryPolicy.<T>builder()
            .handleIf((result, e) -> e != null && passing.test(e) && failures.get() < attempts)
            .withMaxAttempts(-1)
            .withDelayFn(context -> pauseAfter(context.getLastException(), failures.get()))
            .onRetryScheduled(
                retry -> log(what, retry.getLastException(), retry.getDelay(), failures.get()));
    time.ifPresent(policy::withMaxDuration);
    try {
      return Failsafe.with(policy.build())
          .get(
              () -> {
                try {
                  return work.run(() -> failures.set(0));
                } catch (Exception e) {
                  failures.incrementAndGet();
                  throw e;
                }
              });
    } catch (FailsafeException e) {
      if (e.getCause() instanceof Exception failure && !(failure instanceof InterruptedException)) {
        throw (E) failure;
      }
      throw new RunFailure("Interrupted while waiting to try again.", e);
    }
  }

  /** The answer to a question. */
  public <T> T ask(Supplier<T> question) {
    return call("", progressed -> question.get());
  }

  /** Does something. */
  public void tell(Runnable news) {
    ask(
        () -> {
          news.run();
          return true;
        });
  }

  private Duration pauseAfter(Throwable failure, int failures) {
    boolean doubles = attempts != Integer.MAX_VALUE;
    Duration usual =
        doubles ? pause.multipliedBy(1L << Math.min(failures - 1, MOST_DOUBLINGS)) : pause;
    return failure instanceof Delayed delayed && delayed.delay().compareTo(usual) > 0
        ? delayed.delay()
        : usual;
  }

  private void log(String what, Throwable failure, Duration delay, int failures) {
    boolean endless = attempts == Integer.MAX_VALUE && time.isEmpty();
    if (endless && failures > 1) {
      return;
    }
    String reason = Sentence.ended((what.isEmpty() ? "" : what + ": ") + reason(failure));
    LOG.warn("{} Trying again in {} s.", reason, delay.toMillis() / 1000.0);
  }

  /** In words: Java's message for a host without an address is its bare name. */
  public static String reason(Throwable e) {
    if (e instanceof UnknownHostException) {
      return "the host %s is not known here".formatted(e.getMessage());
    }
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }
}
