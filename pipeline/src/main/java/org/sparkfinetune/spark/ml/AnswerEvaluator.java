package org.sparkfinetune.spark.ml;

import static org.apache.spark.sql.functions.avg;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.sum;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.UUID;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.ml.evaluation.Evaluator;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.evaluate.AnswerMetric;
import org.sparkfinetune.inference.evaluate.AnswerMetrics;
import org.sparkfinetune.inference.evaluate.AnsweredSample;
import org.sparkfinetune.spark.generate.AnswerRows;

/**
 * The mean of one of {@code evaluate}'s metrics over rows that {@link FineTunedModel} answered: the
 * conversation's last turn is what was expected. Rows that cannot be judged do not count; one
 * without an answer is 0.
 *
 * <p>The metric {@code loss} is the mean over all trained tokens of the rows, and needs a model
 * with {@code setResult("loss")}. Rows without a loss do not count. Of it, less is better.
 */
public final class AnswerEvaluator extends Evaluator {
  private static final long serialVersionUID = 1L;

  private static final String LOSS = Metric.LOSS.text();

  private final String uid;
  private final Param<String> metricName;
  private final Param<String> messagesCol;

  public AnswerEvaluator() {
    this("answerEvaluator_" + UUID.randomUUID());
  }

  /** For {@code copy}. */
  public AnswerEvaluator(String uid) {
    this.uid = uid;
    this.metricName =
        new Param<>(this, "metricName", "one of evaluate's metrics but pattern_match");
    this.messagesCol = new Param<>(this, "messagesCol", "column of conversations");
    setDefault(metricName, "exact_match");
    setDefault(messagesCol, "messages");
  }

  @Override
  public String uid() {
    return uid;
  }

  @Override
  public Param<?>[] params() {
    return new Param<?>[] {metricName, messagesCol};
  }

  /** As in {@code metrics} of {@code evaluate}. */
  public AnswerEvaluator setMetricName(String value) {
    set(metricName, value);
    return this;
  }

  public AnswerEvaluator setMessagesCol(String value) {
    set(messagesCol, value);
    return this;
  }

  /**
   * @return not-a-number where no row can be judged
   * @throws UserError if there is no such metric, or the rows lack the columns that it is taken of
   */
  @Override
  public double evaluate(Dataset<?> dataset) {
    String name = getOrDefault(metricName);
    if (name.equals(LOSS)) {
      return meanLoss(dataset.toDF());
    }
    AnswerMetric unused = metric(name);
    Row mean =
        with("answer", dataset.toDF())
            .select(col(getOrDefault(messagesCol)), col("answer"))
            .mapPartitions(new Scores(name), Encoders.DOUBLE())
            .select(avg(col("value")))
            .first();
    return mean.isNullAt(0) ? Double.NaN : mean.getDouble(0);
  }

  private double meanLoss(Dataset<Row> rows) {
    Row sums =
        with(LOSS, rows)
            .filter(col("loss_tokens").gt(0))
            .select(sum(col(LOSS).multiply(col("loss_tokens"))).divide(sum(col("loss_tokens"))))
            .first();
    return sums.isNullAt(0) ? Double.NaN : sums.getDouble(0);
  }

  private Dataset<Row> with(String column, Dataset<Row> rows) {
    if (!Arrays.asList(rows.columns()).contains(column)) {
      throw new UserError(
          "metricName is %s, which needs the column %s, but the rows have %s. FineTuner and FineTunedModel add it after setResult(\"%s\")."
              .formatted(
                  getOrDefault(metricName), column, Arrays.toString(rows.columns()), column));
    }
    return rows;
  }

  private static AnswerMetric metric(String name) {
    List<Metric> answered =
        Arrays.stream(Metric.values())
            .filter(metric -> metric != Metric.LOSS && metric != Metric.PATTERN_MATCH)
            .toList();
    return AnswerMetrics.of(answered, Optional.empty()).stream()
        .filter(metric -> metric.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new UserError(
                    "metricName is %s; allowed are %s."
                        .formatted(
                            name,
                            String.join(
                                    ", ", answered.stream().map(metric -> metric.text()).toList())
                                + ", "
                                + LOSS)));
  }

  /** (messages, answer) to scores. */
  private static final class Scores implements MapPartitionsFunction<Row, Double> {
    private static final long serialVersionUID = 1L;
    private final String metric;

    Scores(String metric) {
      this.metric = metric;
    }

    @Override
    public Iterator<Double> call(Iterator<Row> rows) {
      AnswerMetric judge = metric(metric);
      List<Double> scores = new ArrayList<>();
      rows.forEachRemaining(
          row -> {
            String answer = row.isNullAt(1) ? "" : row.getString(1);
            OptionalDouble score =
                judge.score(AnsweredSample.of(AnswerRows.conversation(row, 0), answer));
            if (score.isPresent()) {
              scores.add(row.isNullAt(1) ? 0 : score.getAsDouble());
            }
          });
      return scores.iterator();
    }
  }

  @Override
  public boolean isLargerBetter() {
    return !getOrDefault(metricName).equals(LOSS);
  }

  @Override
  public AnswerEvaluator copy(ParamMap extra) {
    return defaultCopy(extra);
  }
}
