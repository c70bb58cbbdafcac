package org.sparkfinetune.train;

import java.util.List;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.tensor.Ops;
import org.sparkfinetune.tensor.Tensor;

/** Stops a run before an update that would spoil the weights. */
final class NonFinite {
  private NonFinite() {}

  static void checkLoss(
      Ops ops, int rank, long step, double lossSum, ForwardPass.Activations activations) {
    if (Double.isFinite(lossSum)) {
      return;
    }
    throw new RunFailure(
        String.format(
            "Step %d, rank %d: the loss is %s; %s. Nothing was updated. A smaller learning_rate, or"
                + " max_grad_norm, usually helps; `bf16: true` has a wider range than float16.",
            step, rank, lossSum, origin(ops, activations)));
  }

  private static String origin(Ops ops, ForwardPass.Activations activations) {
    List<List<Tensor>> inputs = activations.layerInputs();
    for (int layer = 0; layer < inputs.size(); layer++) {
      if (!inputs.get(layer).stream().allMatch(ops::allFinite)) {
        return layer == 0
            ? "the embeddings of its tokens are not finite"
            : "the first output that is not finite is that of layer " + (layer - 1);
      }
    }
    return activations.output().stream().allMatch(ops::allFinite)
        ? "all layers are finite, so it arose in the last norm or the head"
        : "the first output that is not finite is that of layer " + (inputs.size() - 1);
  }

  static void checkGradient(int rank, long step, String group, double squares) {
    if (!Double.isFinite(squares)) {
      throw new RunFailure(
          String.format(
              "Step %d, rank %d: the gradient of %s is not finite. Nothing was updated. A smaller"
                  + " learning_rate usually helps.",
              step, rank, group));
    }
  }
}
