package org.sparkfinetune.launch;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * While it is open the first SIGTERM or SIGINT of this process asks for an orderly end, and the
 * second ends the process at once. Java has no other door to signals than {@code sun.misc}: a
 * shutdown hook runs beside Spark's own, which takes the executors away.
 */
final class StopSignals implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(StopSignals.class);
  private static final List<String> NAMES = List.of("TERM", "INT");

  private final Map<Signal, SignalHandler> before = new LinkedHashMap<>();
  private volatile String received = "";
  private final Consumer<String> firstTime;

  private StopSignals(Consumer<String> firstTime) {
    this.firstTime = firstTime;
  }

  /**
   * Listens until closed.
   *
   * @param firstTime told the signal's name, on a thread of its own
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
    return Optional.of(received).filter(name -> !name.isEmpty());
  }

  private synchronized void handle(Signal signal) {
    String name = "SIG" + signal.getName();
    if (received.isEmpty()) {
      received = name;
      LOG.warn("{}: the step is finished and saved, then the run ends. Once more: at once.", name);
      firstTime.accept(name);
    } else {
      LOG.warn("{} again: ending at once.", name);
      Runtime.getRuntime().halt(128 + signal.getNumber());
    }
  }

  @Override
  public void close() {
    for (Map.Entry<Signal, SignalHandler> entry : before.entrySet()) {
      Signal.handle(entry.getKey(), entry.getValue());
    }
  }
}
