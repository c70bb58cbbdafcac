package org.sparkfinetune.engine.tensor;

import static org.sparkfinetune.engine.tensor.Torch.value;
import static org.sparkfinetune.engine.tensor.Torch.values;

import ai.djl.pytorch.jni.IValue;
import java.util.ArrayList;
import java.util.List;

/**
 * All that a decoder layer needs beside its input.
 *
 * @param weights 20 tensors in the order of {@code scripts.py}; empty for what is not there
 * @param lora 21 tensors: A (r, in) and B (out, r) of q, k, v, o, gate, up, down, then B's bias
 *     (out) or DoRA's magnitudes (out, 1) of the seven; empty for none
 * @param dropoutMasks 7 tensors (N, in) of 0 or 1/(1-p); empty for none
 * @param loraScales what LoRA's products of the seven are multiplied by
 * @param cos (N, 1, E), E numbers of each head turn; (N, 2, E) where queries, the first, turn and
 *     grow; empty in a layer without positions
 * @param sin like cos
 * @param cuts where samples begin in the N tokens, and N at the end: attention stays between two
 * @param arithmetic what the layer computes
 */
@SuppressWarnings("ArrayRecordComponent")
public record LayerInputs(
    List<Tensor> weights,
    List<Tensor> lora,
    List<Tensor> dropoutMasks,
    double[] loraScales,
    Tensor cos,
    Tensor sin,
    long[] cuts,
    Arithmetic arithmetic) {

  /**
   * What a layer computes, beside its shapes.
   *
   * @param window keys that a query sees; 0 for all before it
   * @param qkNorm 0 none, 1 of each head, 2 of the whole projection
   * @param norm how a norm's weight is applied: 0 after the cast, 1 before it, 2 as 1 + weight
   * @param activation 0 SiLU, 1 GELU with tanh
   * @param attentionScale of the scores
   * @param residualScale of what attention and MLP add
   * @param scoreCap of the scores, 0 for none
   */
  public record Arithmetic(
      int headDim,
      int window,
      int qkNorm,
      int norm,
      int activation,
      double eps,
      double attentionScale,
      double residualScale,
      double scoreCap) {

    IValue kinds() {
      return IValue.listFrom((long) headDim, window, qkNorm, norm, activation);
    }

    IValue numbers() {
      return IValue.listFrom(eps, attentionScale, residualScale, scoreCap);
    }
  }

  /** These inputs between what comes before them and after. */
  IValue[] arguments(List<IValue> before, IValue after) {
    List<IValue> all = new ArrayList<>(before);
    all.add(values(weights));
    all.add(values(lora));
    all.add(values(dropoutMasks));
    all.add(IValue.listFrom(loraScales));
    all.add(value(cos));
    all.add(value(sin));
    all.add(IValue.listFrom(cuts));
    all.add(arithmetic.kinds());
    all.add(arithmetic.numbers());
    all.add(after);
    return all.toArray(IValue[]::new);
  }

  /** Whether a layer's backward also gives the gradients of its base weights (full fine-tuning). */
  public enum BaseGradients {
    YES,
    NO
  }

  /**
   * What is kept of a layer's forward for its backward, beside its input; in the script's order.
   */
  public enum LayerKeep {
    NOTHING,
    /** What is cheap to keep and dear to compute again: attention, and all that leads to it. */
    ATTENTION,
    EVERYTHING
  }
}
