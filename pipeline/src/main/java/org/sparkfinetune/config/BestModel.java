package org.sparkfinetune.config;

import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.sparkfinetune.errors.UserError;

/** Which weights are the result, and when a run ends before its last step. */
public record BestModel(
    @Key(
            otherwise = "false",
            doc =
                "the result is the model of the best evaluation, not of the last; its checkpoint"
                    + " is kept")
        boolean loadBestModelAtEnd,
    @Key(
            otherwise = "loss",
            doc =
                "what makes an evaluation the best: loss, loss/NAME of a source of a mixture, or"
                    + " one of eval_metrics")
        String metricForBestModel,
    @Key(doc = "whether more of it is better; without it not of a loss")
        Optional<Boolean> greaterIsBetter,
    @Key(doc = "the run ends after so many evaluations in a row that were no better")
        OptionalInt earlyStoppingPatience,
    @Key(
            otherwise = "0",
            range = "[0,)",
            doc = "by how much an evaluation has to be better to count as such")
        double earlyStoppingThreshold) {
  private static final String EVAL = "eval_";
  private static final String LOSS = "loss";

  public BestModel {
    KeyTable.check(
        BestModel.class,
        loadBestModelAtEnd,
        metricForBestModel,
        greaterIsBetter,
        earlyStoppingPatience,
        earlyStoppingThreshold);
  }

  /** Whether evaluations have a bearing on the run. */
  public boolean isAsked() {
    return loadBestModelAtEnd || earlyStoppingPatience.isPresent();
  }

  public boolean isGreaterBetter() {
    return greaterIsBetter.orElse(
        !metricForBestModel.endsWith(LOSS) && !metricForBestModel.contains(LOSS + "/"));
  }

  /** As metrics call it, {@code eval_loss}. */
  public String name() {
    return metricForBestModel.startsWith(EVAL) ? metricForBestModel : EVAL + metricForBestModel;
  }

  /**
   * The metric among those of an evaluation.
   *
   * @throws UserError if it is none of them
   */
  public double of(double loss, Map<String, Double> lossBySource, Map<String, Double> ofAnswers) {
    Map<String, Double> all = new TreeMap<>();
    ofAnswers.forEach((name, its) -> all.put(EVAL + name, its));
    lossBySource.forEach((source, its) -> all.put(EVAL + LOSS + "/" + source, its));
    // As transformers calls that of one of several data sets.
    lossBySource.forEach((source, its) -> all.put(EVAL + source + "_" + LOSS, its));
    all.put(EVAL + LOSS, loss);
    Double value = all.get(name());
    if (value == null) {
      throw new UserError(
          "metric_for_best_model is %s, but an evaluation gives %s"
              .formatted(
                  metricForBestModel,
                  all.keySet().stream()
                      .filter(name -> name.startsWith(EVAL + LOSS) || !name.endsWith("_" + LOSS))
                      .collect(Collectors.joining(", "))));
    }
    return value;
  }
}
