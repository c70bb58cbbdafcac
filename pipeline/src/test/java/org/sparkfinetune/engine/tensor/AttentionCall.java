package org.sparkfinetune.engine.tensor;

import static org.sparkfinetune.engine.tensor.Torch.value;

import ai.djl.pytorch.jni.IValue;
import java.util.List;

/**
 * The scripts' attention, which outside of tests only a layer calls.
 *
 * @param cuts where samples begin, and the number of tokens at the end
 */
record AttentionCall(Torch torch, Tensor q, Tensor k, Tensor v, Tensor dout, long[] cuts) {
  /**
   * [out, what is saved for the backward].
   *
   * @param soon whether the backward comes next
   */
  List<Tensor> forward(Scope scope, boolean soon) {
    return torch.tensors(
        scope,
        "attention",
        value(q),
        value(k),
        value(v),
        IValue.listFrom(cuts),
        scale(),
        IValue.from(0L),
        IValue.from(0.0),
        IValue.from(soon));
  }

  /** [dq, dk, dv]. */
  List<Tensor> backward(Scope scope, List<Tensor> forward) {
    return torch.tensors(
        scope,
        "attention_backward",
        value(dout),
        value(q),
        value(k),
        value(v),
        value(forward.get(0)),
        value(forward.get(1)),
        IValue.listFrom(cuts),
        scale(),
        IValue.from(0L),
        IValue.from(0.0));
  }

  private IValue scale() {
    return IValue.from(1 / Math.sqrt(q.size(2)));
  }
}
