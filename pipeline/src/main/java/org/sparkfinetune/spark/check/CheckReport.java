package org.sparkfinetune.spark.check;

import java.util.List;
import org.sparkfinetune.engine.metrics.MaskedSample;

/**
 * What {@code check} found.
 *
 * @param samples the first conversations as the model would see them
 */
public record CheckReport(List<CheckLine> lines, List<MaskedSample> samples) {
  public CheckReport {
    lines = List.copyOf(lines);
    samples = List.copyOf(samples);
  }

  /** How many lines are so. */
  public long count(CheckLine.Verdict verdict) {
    return lines.stream().filter(line -> line.verdict() == verdict).count();
  }

  /** Whether training should not be tried. */
  public boolean hasFailed() {
    return count(CheckLine.Verdict.FAILED) > 0;
  }
}
