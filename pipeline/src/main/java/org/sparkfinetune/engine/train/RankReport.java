package org.sparkfinetune.engine.train;

import java.io.Serializable;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.engine.metrics.Summary.Best;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.metrics.Summary.RankSummary;
import org.sparkfinetune.engine.tensor.OperatorTimes;

/**
 * What a rank tells at the end.
 *
 * @param operators what its script operators took, and reading and decoding of frozen weights
 * @param totals of the whole run from rank 0; empty from the others
 */
public record RankReport(
    RankSummary use,
    Map<Phase, Double> seconds,
    Map<String, OperatorTimes.Use> operators,
    List<Totals> totals)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  /**
   * The run's results.
   *
   * @param evalLoss of the last evaluation, not-a-number without one
   * @param ended whether there is a result, and not only a checkpoint to go on from
   * @param best of the run's evaluations, if they have a bearing on it; one at most
   */
  public record Totals(
      long steps,
      double trainRuntime,
      double tokensPerSecond,
      double trainLoss,
      double evalLoss,
      boolean ended,
      List<Best> best)
      implements Serializable {
    private static final long serialVersionUID = 1L;
  }
}
