package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.sparkfinetune.data.tokenize.PackedRows;
import org.sparkfinetune.data.tokenize.PackedRows.SourceRows;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.train.DecoderLayers.RotaryEmbedding;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;

/**
 * Mean loss over the trained tokens of a split, or over its pairs, each rank taking its share of
 * the rows; of a mixture also of each source alone.
 */
final class Evaluation {
  private final Ops ops;
  private final ProcessGroup exchange;
  private final DecoderLayers layers;
  private final ForwardPass forward;
  private final HeadOfModel head;
  private final TokenBatch.Attention attention;
  private final int maxTokens;

  Evaluation(RankModel model, int maxTokens) {
    this.ops = model.ops();
    this.exchange = model.exchange();
    this.layers = model.layers();
    this.forward = new ForwardPass(model);
    ModelRecipe recipe = model.recipe();
    this.head =
        new HeadOfModel(
            ops,
            recipe.precision(),
            recipe.config(),
            model.weights(),
            recipe.regularization().labelSmoothingFactor());
    this.attention = recipe.attention();
    this.maxTokens = maxTokens;
  }

  /**
   * @param lossBySource in the order of the sources; empty where nothing is mixed
   * @param ofPairs rewards and log-probabilities by TRL's names; empty where rows are no pairs
   */
  record Result(
      double loss,
      long trainedTokens,
      Map<String, Double> lossBySource,
      Map<String, Double> ofPairs) {}

  /**
   * What is evaluated.
   *
   * @param sources of the rows, in their order; empty where nothing is mixed
   */
  record TestRows(PackedRows rows, List<SourceRows> sources) {
    List<SourceRows> parts() {
      return sources.isEmpty() ? List.of(new SourceRows("", rows.size())) : sources;
    }
  }

  /**
   * @param step optimizer steps done: the version of the parameters
   */
  Result run(long step, TestRows test) {
    List<SourceRows> parts = test.parts();
    List<double[]> own = new ArrayList<>();
    int begin = 0;
    for (SourceRows part : parts) {
      int end = begin + part.rows();
      double[] sums = new double[2];
      for (List<TokenBatch> group : groups(rows(test.rows(), begin, end))) {
        sums[0] += loss(step, group);
        sums[1] += group.stream().mapToLong(TokenBatch::trainedTokens).sum();
      }
      own.add(sums);
      begin = end;
    }
    double[] sums = exchange.sum("evaluation", step, joined(own));
    double lossSum = 0;
    double trained = 0;
    Map<String, Double> bySource = new LinkedHashMap<>();
    for (int part = 0; part < parts.size(); part++) {
      lossSum += sums[2 * part];
      trained += sums[2 * part + 1];
      bySource.put(parts.get(part).source(), sums[2 * part] / sums[2 * part + 1]);
    }
    return new Result(
        lossSum / trained,
        (long) trained,
        test.sources().isEmpty() ? Map.of() : bySource,
        Map.of());
  }

  /** The same of rows that are pairs. */
  Result run(long step, TestRows test, PreferenceLoss preference) {
    List<SourceRows> parts = test.parts();
    List<double[]> own = new ArrayList<>();
    double[] tokens = new double[1];
    int begin = 0;
    for (SourceRows part : parts) {
      int end = begin + part.rows();
      PreferenceLoss.Sums sums = new PreferenceLoss.Sums();
      tokenLosses(
          step,
          rows(test.rows(), begin, end),
          (batch, losses) -> {
            preference.add(batch, losses, sums);
            tokens[0] += losses.length;
          });
      own.add(sums.values());
      begin = end;
    }
    own.add(tokens);
    double[] sums = exchange.sum("evaluation", step, joined(own));
    PreferenceLoss.Sums all = new PreferenceLoss.Sums();
    Map<String, Double> bySource = new LinkedHashMap<>();
    for (int part = 0; part < parts.size(); part++) {
      int from = part * PreferenceLoss.Sums.SIZE;
      PreferenceLoss.Sums its =
          new PreferenceLoss.Sums(Arrays.copyOfRange(sums, from, from + PreferenceLoss.Sums.SIZE));
      bySource.put(parts.get(part).source(), preference.loss(its));
      all.add(its);
    }
    return new Result(
        preference.loss(all),
        (long) sums[sums.length - 1],
        test.sources().isEmpty() ? Map.of() : bySource,
        PreferenceLoss.metrics(all));
  }

  private static double[] joined(List<double[]> parts) {
    return parts.stream().flatMapToDouble(Arrays::stream).toArray();
  }

  /** This rank's share of rows {@code [begin, end)}. */
  private List<StepRow> rows(PackedRows rows, int begin, int end) {
    int from = StepSchedule.shareBegin(rows.size(), exchange.rank(), exchange.worldSize());
    int to = StepSchedule.shareBegin(rows.size(), exchange.rank() + 1, exchange.worldSize());
    List<StepRow> own = new ArrayList<>();
    for (int i = Math.max(from, begin); i < Math.min(to, end); i++) {
      own.add(new StepRow(rows.row(i), i));
    }
    return own;
  }

  /**
   * Computes rows without learning from them.
   *
   * @param each told of every batch and the losses of its trained tokens
   */
  void tokenLosses(long step, List<StepRow> rows, BiConsumer<TokenBatch, float[]> each) {
    for (List<TokenBatch> group : groups(rows)) {
      try (Scope scope = ops.torch().scope()) {
        List<float[]> losses = head.tokenLosses(group, output(scope, group, step), step);
        for (int i = 0; i < group.size(); i++) {
          each.accept(group.get(i), losses.get(i));
        }
      }
    }
  }

  /** A few batches go through the layers together, so that each gathering serves several. */
  private List<List<TokenBatch>> groups(List<StepRow> rows) {
    List<TokenBatch> batches = TokenBatch.of(rows, maxTokens, attention);
    List<List<TokenBatch>> groups = new ArrayList<>();
    for (int i = 0; i < batches.size(); i += BufferSizes.EVALUATED_BATCHES) {
      groups.add(batches.subList(i, Math.min(batches.size(), i + BufferSizes.EVALUATED_BATCHES)));
    }
    return groups;
  }

  private double loss(long step, List<TokenBatch> batches) {
    try (Scope scope = ops.torch().scope()) {
      return head.loss(batches, output(scope, batches, step), step);
    }
  }

  private List<Tensor> output(Scope scope, List<TokenBatch> batches, long step) {
    List<RotaryEmbedding.Angles> angles =
        batches.stream().map(batch -> layers.angles(scope, batch)).toList();
    return forward.output(scope, batches, angles, step);
  }
}
