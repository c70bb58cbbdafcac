package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.data.tokenize.PackedRows;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.train.DecoderLayers.RotaryEmbedding;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;

/** Mean loss over the trained tokens of a split, each rank taking its share of the rows. */
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
    this.head = new HeadOfModel(ops, recipe.precision(), recipe.config(), model.weights());
    this.attention = recipe.attention();
    this.maxTokens = maxTokens;
  }

  record Result(double loss, long trainedTokens) {}

  /**
   * @param step optimizer steps done: the version of the parameters
   */
  Result run(long step, PackedRows rows) {
    int from = StepSchedule.shareBegin(rows.size(), exchange.rank(), exchange.worldSize());
    int to = StepSchedule.shareBegin(rows.size(), exchange.rank() + 1, exchange.worldSize());
    List<StepRow> own = new ArrayList<>();
    for (int i = from; i < to; i++) {
      own.add(new StepRow(rows.row(i), i));
    }
    double lossSum = 0;
    long trained = 0;
    for (List<TokenBatch> group : groups(TokenBatch.of(own, maxTokens, attention))) {
      lossSum += loss(step, group);
      trained += group.stream().mapToLong(TokenBatch::trainedTokens).sum();
    }
    double[] sums = exchange.sum("evaluation", step, new double[] {lossSum, trained});
    return new Result(sums[0] / sums[1], (long) sums[1]);
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
