package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.data.tokenize.PackedRows;
import org.sparkfinetune.data.tokenize.PackedRows.SourceRows;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.train.DecoderLayers.RotaryEmbedding;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;

/**
 * Mean loss over the trained tokens of a split, each rank taking its share of the rows; of a
 * mixture also of each source alone.
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
   */
  record Result(double loss, long trainedTokens, Map<String, Double> lossBySource) {}

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
    double[] sums = exchange.sum("evaluation", step, ownSums(step, test.rows(), parts));
    double lossSum = 0;
    double trained = 0;
    Map<String, Double> bySource = new LinkedHashMap<>();
    for (int part = 0; part < parts.size(); part++) {
      lossSum += sums[2 * part];
      trained += sums[2 * part + 1];
      bySource.put(parts.get(part).source(), sums[2 * part] / sums[2 * part + 1]);
    }
    return new Result(
        lossSum / trained, (long) trained, test.sources().isEmpty() ? Map.of() : bySource);
  }

  /** Of each part the losses of this rank's trained tokens, and their number. */
  private double[] ownSums(long step, PackedRows rows, List<SourceRows> parts) {
    int from = StepSchedule.shareBegin(rows.size(), exchange.rank(), exchange.worldSize());
    int to = StepSchedule.shareBegin(rows.size(), exchange.rank() + 1, exchange.worldSize());
    double[] sums = new double[2 * parts.size()];
    int begin = 0;
    for (int part = 0; part < parts.size(); part++) {
      int end = begin + parts.get(part).rows();
      List<StepRow> own = new ArrayList<>();
      for (int i = Math.max(from, begin); i < Math.min(to, end); i++) {
        own.add(new StepRow(rows.row(i), i));
      }
      for (List<TokenBatch> group : groups(TokenBatch.of(own, maxTokens, attention))) {
        sums[2 * part] += loss(step, group);
        sums[2 * part + 1] += group.stream().mapToLong(TokenBatch::trainedTokens).sum();
      }
      begin = end;
    }
    return sums;
  }

  /** A few batches go through the layers together, so that each gathering serves several. */
  private static List<List<TokenBatch>> groups(List<TokenBatch> batches) {
    List<List<TokenBatch>> groups = new ArrayList<>();
    for (int i = 0; i < batches.size(); i += BufferSizes.EVALUATED_BATCHES) {
      groups.add(batches.subList(i, Math.min(batches.size(), i + BufferSizes.EVALUATED_BATCHES)));
    }
    return groups;
  }

  private double loss(long step, List<TokenBatch> batches) {
    try (Scope scope = ops.torch().scope()) {
      List<RotaryEmbedding.Angles> angles =
          batches.stream().map(batch -> layers.angles(scope, batch)).toList();
      return head.loss(batches, forward.output(scope, batches, angles, step), step);
    }
  }
}
