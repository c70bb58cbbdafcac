package org.sparkfinetune.tensor;

import static org.sparkfinetune.tensor.Torch.value;
import static org.sparkfinetune.tensor.Torch.values;

import ai.djl.pytorch.jni.IValue;
import java.util.List;

/**
 * All that a decoder layer needs beside its input.
 *
 * @param weights 16 tensors: input norm (H), q, k, v, o, post-attention norm, gate, up, down, then
 *     the biases of the seven linears; empty tensors for biases that are not there
 * @param lora 14 tensors: A (r, in) and B (out, r) of q, k, v, o, gate, up, down; empty for none
 * @param dropoutMasks 7 tensors (N, in) of 0 or 1/(1-p); empty for none
 * @param loraScale alpha / r
 * @param cos (N, 1, D)
 * @param sin (N, 1, D)
 * @param cuts where samples begin in the N tokens, and N at the end: attention stays between two
 */
public record LayerInputs(
    List<Tensor> weights,
    List<Tensor> lora,
    List<Tensor> dropoutMasks,
    double loraScale,
    Tensor cos,
    Tensor sin,
    long[] cuts,
    int headDim,
    double eps) {

  IValue[] arguments(IValue x) {
    return new IValue[] {
      x,
      values(weights),
      values(lora),
      values(dropoutMasks),
      IValue.from(loraScale),
      value(cos),
      value(sin),
      IValue.listFrom(cuts),
      IValue.from((long) headDim),
      IValue.from(eps)
    };
  }

  IValue[] arguments(IValue dy, IValue x, IValue base) {
    return join(new IValue[] {dy}, arguments(x), base);
  }

  IValue[] arguments(IValue dy, IValue x, IValue saved, IValue base) {
    IValue[] rest = arguments(saved);
    return join(new IValue[] {dy, x}, rest, base);
  }

  private static IValue[] join(IValue[] first, IValue[] middle, IValue last) {
    IValue[] all = new IValue[first.length + middle.length + 1];
    System.arraycopy(first, 0, all, 0, first.length);
    System.arraycopy(middle, 0, all, first.length, middle.length);
    all[all.length - 1] = last;
    return all;
  }
}
