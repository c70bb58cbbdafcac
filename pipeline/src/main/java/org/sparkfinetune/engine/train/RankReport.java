package org.sparkfinetune.engine.train;

import java.io.Serializable;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.engine.metrics.Phase;
import org.sparkfinetune.engine.metrics.RankUse;
import org.sparkfinetune.engine.tensor.OperatorTimes;

/**
 * What a rank tells at the end.
 *
 * @param operators what its script operators took, and reading and decoding of frozen weights
 * @param totals of the whole run from rank 0; empty from the others
 */
public record RankReport(
    RankUse use,
    Map<Phase, Double> seconds,
    Map<String, OperatorTimes.Use> operators,
    List<Totals> totals)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  /**
   * The run's results.
   *
   * @param evalLoss of the last evaluation, not-a-number without one
   */
  public record Totals(
      long steps, double trainRuntime, double tokensPerSecond, double trainLoss, double evalLoss)
      implements Serializable {
    private static final long serialVersionUID = 1L;
  }
}
