package org.sparkfinetune.engine.train;

import java.util.List;
import java.util.Map;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.errors.RunFailure;

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
            "Step %s, rank %s: the loss is %s; %s. Nothing was updated. A smaller learning_rate, or"
                + " max_grad_norm, usually helps; `bf16: true` has a wider range than float16.",
            step, rank, lossSum, origin(ops, activations)));
  }

  private static String origin(Ops ops, ForwardPass.Activations activations) {
    try (Scope scope = ops.torch().scope()) {
      return origin(ops, scope, activations);
    }
  }

  private static String origin(Ops ops, Scope scope, ForwardPass.Activations activations) {
    List<List<ForwardPass.Kept>> inputs = activations.kept();
    for (int layer = 0; layer < inputs.size(); layer++) {
      if (!inputs.get(layer).stream().map(kept -> kept.x().open(scope)).allMatch(ops::allFinite)) {
        return layer == 0
            ? "the embeddings of its tokens are not finite"
            : "the first output that is not finite is that of layer " + (layer - 1);
      }
    }
    return activations.output().stream().allMatch(ops::allFinite)
        ? "all layers are finite, so it arose in the last norm or the head"
        : "the first output that is not finite is that of layer " + (inputs.size() - 1);
  }

  /**
   * @param squares of each group's gradient, from the model's first group to its last. The last
   *     that is not finite is named: backward begins there, and spoils all before it
   */
  static void checkGradients(int rank, long step, Map<String, Double> squares) {
    squares.entrySet().stream()
        .filter(group -> !Double.isFinite(group.getValue()))
        .reduce((earlier, later) -> later)
        .ifPresent(
            group -> {
              throw new RunFailure(
                  String.format(
                      "Step %s, rank %s: the gradient of %s is not finite. Nothing was updated. A"
                          + " smaller learning_rate usually helps.",
                      step, rank, group.getKey()));
            });
  }
}
