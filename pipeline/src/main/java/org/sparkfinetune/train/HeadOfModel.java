package org.sparkfinetune.train;

import org.sparkfinetune.llama.LlamaConfig;
import org.sparkfinetune.llama.LlamaWeights;
import org.sparkfinetune.tensor.HeadGradients;
import org.sparkfinetune.tensor.HeadLoss;
import org.sparkfinetune.tensor.Ops;
import org.sparkfinetune.tensor.Scope;
import org.sparkfinetune.tensor.Tensor;

/** The last norm, the head and the loss; only trained positions reach the head. */
final class HeadOfModel {
  /** Bytes of the float32 logits that exist at a time: larger chunks leave the cache. */
  private static final int LOGITS_BYTES = 32 << 20;

  private final Ops ops;
  private final Precision precision;
  private final LlamaConfig config;
  private final Weights weights;

  HeadOfModel(Ops ops, Precision precision, LlamaConfig config, Weights weights) {
    this.ops = ops;
    this.precision = precision;
    this.config = config;
    this.weights = weights;
  }

  String group() {
    return weights.hasHead() ? ModelGroups.HEAD : ModelGroups.EMBED;
  }

  String weight() {
    return weights.hasHead() ? LlamaWeights.LM_HEAD : LlamaWeights.EMBED_TOKENS;
  }

  /** The head's weight (V, H) and the last norm's (H), gathered for one pass. */
  record HeadWeights(Tensor head, Tensor norm) {}

  HeadWeights gather(Scope scope, long version) {
    return new HeadWeights(
        weights.whole(scope, group(), version).tensor(weight()),
        weights.whole(scope, ModelGroups.NORM, version).tensor(LlamaWeights.FINAL_NORM));
  }

  /** Sum of losses over the batch's trained positions. */
  double loss(HeadWeights weights, TokenBatch batch, Tensor x) {
    try (Scope scope = ops.torch().scope()) {
      return head(scope, weights, batch, x, 0, HeadGradients.NONE).sum();
    }
  }

  /**
   * What going through the head and back gives.
   *
   * @param dx (N, H), of {@code factor * sum}
   * @param dNorm (H) float32
   * @param dHead (V, H) float32, empty if not wanted
   */
  record Backward(double sum, Tensor dx, Tensor dNorm, Tensor dHead) {}

  Backward lossAndGradients(
      Scope scope,
      HeadWeights weights,
      TokenBatch batch,
      Tensor x,
      double factor,
      HeadGradients want) {
    HeadLoss loss = head(scope, weights, batch, x, factor, want);
    Tensor typed = ops.cast(scope, x, precision.compute());
    Tensor dNormed = ops.zeros(scope, precision.compute(), x.size(0), x.size(1));
    if (batch.trainedTokens() > 0) {
      ops.addRows(
          scope, dNormed, ops.ofInts(scope, batch.trainedPositions()), loss.inputGradient());
    }
    var back = ops.rmsNormBackward(scope, dNormed, typed, weights.norm(), config.rmsNormEps());
    return new Backward(loss.sum(), back.get(0), back.get(1), loss.weightGradient());
  }

  private HeadLoss head(
      Scope scope,
      HeadWeights weights,
      TokenBatch batch,
      Tensor x,
      double factor,
      HeadGradients want) {
    int[] positions = batch.trainedPositions();
    int[] targets = new int[positions.length];
    for (int i = 0; i < targets.length; i++) {
      targets[i] = batch.targets()[positions[i]];
    }
    Tensor selected = ops.selectRows(scope, x, ops.ofInts(scope, positions));
    Tensor typed = ops.cast(scope, selected, precision.compute());
    Tensor normed = ops.rmsNorm(scope, typed, weights.norm(), config.rmsNormEps());
    int chunk = Math.max(16, LOGITS_BYTES / Float.BYTES / config.vocabSize());
    return ops.headLoss(
        scope, normed, weights.head(), ops.ofInts(scope, targets), factor, chunk, want);
  }
}
