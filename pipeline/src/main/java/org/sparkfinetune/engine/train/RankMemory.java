package org.sparkfinetune.engine.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.NvidiaSmi;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.Heartbeat;

/**
 * What this process takes of the host's memory, as Linux counts it. Linux keeps no high-water mark
 * of anonymous memory, so a thread looks many times a second, and knows which phase it is for.
 */
final class RankMemory {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final Duration PERIOD = Duration.ofMillis(20);

  private final Map<Phase, Long> peaks = new EnumMap<>(Phase.class);

  /** Looks until it is closed. */
  Heartbeat watch(Supplier<Phase> phase) {
    sample(phase.get());
    return Heartbeat.start("what is known of memory", PERIOD, () -> sample(phase.get()));
  }

  /** One look, for what is shorter than a period. */
  synchronized void sample(Phase phase) {
    peaks.merge(phase, anonymousBytes(), Math::max);
  }

  /** The most that was seen in each phase. */
  synchronized Map<Phase, Long> anonymousBytesByPhase() {
    return new EnumMap<>(peaks);
  }

  synchronized long peakAnonymousBytes() {
    return peaks.values().stream().mapToLong(Long::longValue).max().orElse(0);
  }

  long peakRssBytes() {
    return bytes("VmHWM:");
  }

  static long anonymousBytes() {
    return bytes("RssAnon:");
  }

  private static long bytes(String key) {
    try {
      for (String line : Files.readAllLines(STATUS)) {
        if (line.startsWith(key)) {
          return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
        }
      }
    } catch (IOException e) {
      // Not Linux: nothing is known.
      return 0;
    }
    return 0;
  }

  /** How rank 0 fares between two lines of the record: seconds by phase, and memory now. */
  static final class RankGauges {
    private final PhaseClock clock;
    private Map<Phase, Double> before = new EnumMap<>(Phase.class);

    RankGauges(PhaseClock clock) {
      this.clock = clock;
    }

    /** By TensorBoard's tag; on the thread that trains. */
    Map<String, Double> sinceLast() {
      Map<Phase, Double> now = clock.seconds();
      Map<String, Double> values = new LinkedHashMap<>();
      for (Phase phase : Phase.values()) {
        double seconds = now.getOrDefault(phase, 0.0) - before.getOrDefault(phase, 0.0);
        if (seconds > 0) {
          values.put("seconds/" + phase.text(), seconds);
        }
      }
      before = now;
      values.put("memory/anonymous_bytes", (double) RankMemory.anonymousBytes());
      return values;
    }
  }

  /**
   * What is in use of a rank's GPU, as the driver counts it: what libtorch keeps for later use, and
   * what others use, is in it.
   */
  static final class GpuMemory {
    private static final Logger LOG = LoggerFactory.getLogger(GpuMemory.class);

    private final NvidiaSmi smi;
    private final AtomicLong peak = new AtomicLong();

    GpuMemory() {
      this(new NvidiaSmi());
    }

    GpuMemory(NvidiaSmi smi) {
      this.smi = smi;
    }

    /** Looks at a GPU until closed; at nothing on the CPU. */
    NvidiaSmi.Watch watch(ComputeDevice device) {
      if (device instanceof ComputeDevice.Cuda cuda) {
        try {
          return smi.used(cuda.onHost(), bytes -> peak.accumulateAndGet(bytes, Math::max));
        } catch (RunFailure e) {
          LOG.warn("peak_gpu_bytes will be 0: {}", e.getMessage());
        }
      }
      return () -> {};
    }

    /** The most that was seen; 0 on the CPU. */
    long peakBytes() {
      return peak.get();
    }
  }
}
