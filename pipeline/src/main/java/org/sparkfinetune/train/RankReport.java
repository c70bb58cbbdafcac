package org.sparkfinetune.train;

import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.sparkfinetune.metrics.Phase;
import org.sparkfinetune.metrics.RankUse;

/**
 * What a rank tells at the end.
 *
 * @param totals of the whole run, from rank 0
 */
public record RankReport(RankUse use, Map<Phase, Double> seconds, Optional<Totals> totals) {

  /** The run's results. */
  public record Totals(
      long steps,
      double trainRuntime,
      double tokensPerSecond,
      double trainLoss,
      OptionalDouble evalLoss) {}
}
