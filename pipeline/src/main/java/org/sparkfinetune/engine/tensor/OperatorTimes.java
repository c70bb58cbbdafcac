package org.sparkfinetune.engine.tensor;

import java.io.Serializable;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/** How often script operators ran and for how long; any thread may add. */
public final class OperatorTimes {
  private final Map<String, Adders> adders = new ConcurrentHashMap<>();

  OperatorTimes() {}

  /** Of all calls of one operator. */
  public record Use(long calls, double seconds) implements Serializable {
    private static final long serialVersionUID = 1L;
  }

  private record Adders(LongAdder calls, LongAdder nanos) {}

  /** Counts {@code work} under a name, beside the operators. */
  public void in(String name, Runnable work) {
    long start = System.nanoTime();
    try {
      work.run();
    } finally {
      addSince(start, name);
    }
  }

  void addSince(long start, String name) {
    long nanos = System.nanoTime() - start;
    Adders own = adders.computeIfAbsent(name, key -> new Adders(new LongAdder(), new LongAdder()));
    own.calls().increment();
    own.nanos().add(nanos);
  }

  /** Until now, by name. */
  public Map<String, Use> uses() {
    Map<String, Use> uses = new TreeMap<>();
    adders.forEach(
        (name, own) -> uses.put(name, new Use(own.calls().sum(), own.nanos().sum() * 1e-9)));
    return uses;
  }
}
