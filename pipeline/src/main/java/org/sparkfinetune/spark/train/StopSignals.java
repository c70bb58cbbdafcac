package org.sparkfinetune.spark.train;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.Heartbeat;
import org.sparkfinetune.store.Retry;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * While it is open the first SIGTERM or SIGINT of this process asks for an orderly end, and the
 * second ends the process at once. Java has no other door to signals than {@code sun.misc}: a
 * shutdown hook runs beside Spark's own, which takes the executors away.
 *
 * <p>The handler only sets a flag. Whoever has to be told is told on another thread, again and
 * again while that fails: a store that is away neither loses the signal nor holds up the next one.
 */
final class StopSignals implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(StopSignals.class);
  private static final List<String> NAMES = List.of("TERM", "INT");
  private static final Duration PAUSE = Duration.ofSeconds(1);

  /** A call to a store that no interrupt ends shall not hold up the end of the run. */
  private static final Duration LAST_WORD = Duration.ofSeconds(5);

  private final Map<Signal, SignalHandler> before = new LinkedHashMap<>();
  private final AtomicReference<String> received = new AtomicReference<>("");
  private final Thread teller;

  private StopSignals(Consumer<String> firstTime) {
    this.teller = Heartbeat.daemons("stop-request").newThread(() -> tell(firstTime));
  }

  /**
   * Listens until closed.
   *
   * @param firstTime told the signal's name, on a thread of its own; when it throws, again a second
   *     later, until it has returned or this is closed
   */
  static StopSignals listen(Consumer<String> firstTime) {
    StopSignals signals = new StopSignals(firstTime);
    for (String name : NAMES) {
      Signal signal = new Signal(name);
      try {
        signals.before.put(signal, Signal.handle(signal, signals::handle));
      } catch (IllegalArgumentException e) {
        LOG.debug("SIG{} is the JVM's own here", name, e);
      }
    }
    return signals;
  }

  /** The signal that came, if one did. */
  Optional<String> received() {
    return Optional.ofNullable(received.get()).filter(name -> !name.isEmpty());
  }

  /** Logs nothing: a log that cannot be written would block. */
  private void handle(Signal signal) {
    if (received.compareAndSet("", "SIG" + signal.getName())) {
      teller.start();
    } else {
      Runtime.getRuntime().halt(128 + signal.getNumber());
    }
  }

  private void tell(Consumer<String> firstTime) {
    String name = received.get();
    LOG.warn("{}: the step is finished and saved, then the run ends. Once more: at once.", name);
    try {
      Retry.endless(PAUSE).tell(() -> firstTime.accept(name));
    } catch (RunFailure e) {
      LOG.debug("The run ended before its ranks could be told of {}", name, e);
    }
  }

  @Override
  public void close() {
    for (Map.Entry<Signal, SignalHandler> entry : before.entrySet()) {
      Signal.handle(entry.getKey(), entry.getValue());
    }
    teller.interrupt();
    try {
      teller.join(LAST_WORD.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
