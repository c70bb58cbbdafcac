package org.sparkfinetune.engine.tensor;

import static org.sparkfinetune.engine.tensor.Torch.value;

import ai.djl.pytorch.jni.IValue;
import java.util.List;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * The head's cross-entropy: against a head that is there whole, or one that comes in chunks of its
 * vocabulary ({@link #begin}, {@link #add}, {@link #finish}). Letters: N tokens, n trained ones of
 * them, H hidden, V vocabulary.
 */
public final class HeadOps {
  private final Torch torch;
  private final Ops ops;

  HeadOps(Torch torch, Ops ops) {
    this.torch = torch;
    this.ops = ops;
  }

  /**
   * Cross-entropy of trained positions against the head.
   *
   * @param x (N, H) after the last norm, trained positions only, and padding behind them
   * @param target (n) int64
   * @param chunk tokens whose logits exist at a time
   */
  public Loss loss(
      Scope scope,
      Tensor x,
      Tensor w,
      Tensor target,
      LossWeights weights,
      int chunk,
      LossOptions options,
      Gradients want) {
    List<Tensor> out =
        torch.tensors(
            scope,
            "head_loss",
            value(x),
            value(w),
            value(target),
            IValue.from(weights.factor()),
            value(weights.ofTokens()),
            IValue.from((long) chunk),
            IValue.from(options.cap()),
            IValue.from(options.smoothing()),
            IValue.from(want != Gradients.NONE),
            IValue.from(want == Gradients.INPUT_AND_WEIGHT));
    return new Loss(torch.number("item", value(out.get(0))), out.get(1), out.get(2), out.get(3));
  }

  /**
   * Begins the cross-entropy against a head that comes in chunks.
   *
   * @param x (N, H) after the last norm, trained positions only, and padding behind them
   */
  public Chunk.State begin(Scope scope, Tensor x, LossOptions options, Gradients want) {
    List<Tensor> state =
        torch.tensors(
            scope,
            "head_begin",
            value(x),
            IValue.from(options.smoothing()),
            IValue.from(want != Gradients.NONE));
    return new Chunk.State(x, state.get(0), state.get(1), state.get(2), state.get(3), state.get(4));
  }

  /** Takes some rows of the head into account; changes {@code state} in place. */
  public void add(Scope scope, Chunk.State state, Chunk chunk) {
    torch
        .tensor(
            scope,
            "head_chunk",
            value(state.x()),
            value(chunk.w()),
            value(state.max()),
            value(state.sum()),
            value(state.target()),
            value(state.product()),
            value(state.targetRow()),
            value(chunk.rows()),
            value(chunk.ids()),
            IValue.from(chunk.options().cap()),
            IValue.from(chunk.options().smoothing()),
            IValue.from(chunk.options().uniform()))
        .close();
  }

  /**
   * After all rows: the loss (n) of each trained position, float32.
   *
   * @param count trained positions; what is behind them is padding
   */
  public Tensor losses(Scope scope, Chunk.State state, int count) {
    return torch.tensor(
        scope,
        "head_losses",
        value(state.max()),
        value(state.sum()),
        value(state.target()),
        IValue.from((long) count));
  }

  /**
   * After all rows: the losses, and the gradient of what they sum up to by their weights; once.
   *
   * @param count trained positions; what is behind them is padding
   */
  public Loss finish(Scope scope, Chunk.State state, LossWeights weights, int count) {
    List<Tensor> out =
        torch.tensors(
            scope,
            "head_finish",
            value(state.x()),
            value(state.max()),
            value(state.sum()),
            value(state.target()),
            value(state.product()),
            value(state.targetRow()),
            IValue.from(weights.factor()),
            value(weights.ofTokens()),
            IValue.from((long) count));
    return new Loss(torch.number("item", value(out.get(0))), out.get(1), out.get(2), out.get(3));
  }

  /**
   * After all rows: the gradient (k, H) of the weighted sum of the losses by some of them, float32.
   *
   * @param rows those of tokens {@code ids} (k), (k, H)
   * @param targets (n) of the trained positions
   */
  public Tensor rowGradient(
      Scope scope, Chunk.State state, Chunk rows, Tensor targets, LossWeights weights) {
    return torch.tensor(
        scope,
        "head_rows",
        value(state.x()),
        value(rows.w()),
        value(rows.ids()),
        value(targets),
        value(state.max()),
        value(state.sum()),
        IValue.from(weights.factor()),
        value(weights.ofTokens()),
        IValue.from(rows.options().cap()),
        IValue.from(rows.options().smoothing()),
        IValue.from(rows.options().uniform()));
  }

  /** Every loss counts {@code factor}. */
  public LossWeights sameWeights(Scope scope, double factor) {
    return new LossWeights(factor, ops.empty(scope, ElementType.FLOAT32, 0));
  }

  /** Each loss counts what its position has here. */
  public LossWeights weights(Scope scope, float[] ofTokens) {
    return new LossWeights(1, ops.ofFloats(scope, ofTokens, ofTokens.length));
  }

  /**
   * Some rows of a head.
   *
   * @param w (c, H)
   * @param rows (k) int64, positions whose target is among these rows
   * @param ids (k) int64, those targets' rows within {@code w}
   */
  public record Chunk(Tensor w, Tensor rows, Tensor ids, LossOptions options) {

    /**
     * What is known after some chunks.
     *
     * @param x (n, H)
     * @param max (n, 1) float32, the largest logit so far
     * @param sum (n, 1) float32, of exp(logit - max)
     * @param target (n, 1) float32, the target's logit, or what smoothing makes of all
     * @param product (n, H) float32, of exp(logit - max) with the rows so far; empty without
     *     gradient
     * @param targetRow (n, H), the target's row of the head, or what smoothing makes of all; empty
     *     without gradient
     */
    public record State(
        Tensor x, Tensor max, Tensor sum, Tensor target, Tensor product, Tensor targetRow) {}
  }

  /**
   * How logits become a loss.
   *
   * @param cap of the logits, 0 for none
   * @param smoothing share of a label that goes to the whole vocabulary, 0 for none
   * @param vocabulary rows of the head
   */
  public record LossOptions(double cap, double smoothing, long vocabulary) {
    /** The share of each token of the vocabulary. */
    double uniform() {
      return smoothing / vocabulary;
    }
  }

  /** Which gradients the head's loss gives. */
  public enum Gradients {
    NONE,
    INPUT,
    INPUT_AND_WEIGHT
  }

  /**
   * What the head gives.
   *
   * @param sum of the losses of all positions, natural logarithm
   * @param inputGradient (n, H), empty if not asked for
   * @param weightGradient (V, H) float32, empty if not asked for
   * @param losses (n) float32, of each position
   */
  public record Loss(double sum, Tensor inputGradient, Tensor weightGradient, Tensor losses) {}

  /**
   * What the positions' losses count in the gradients.
   *
   * @param factor of all
   * @param ofTokens (n) float32, what each counts besides; empty where all count the same
   */
  public record LossWeights(double factor, Tensor ofTokens) {}
}
