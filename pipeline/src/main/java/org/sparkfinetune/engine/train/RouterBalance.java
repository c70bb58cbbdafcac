package org.sparkfinetune.engine.train;

import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.tensor.ExpertOps.Routes;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.model.family.DecoderConfig;

/**
 * The loss that balances experts (Fedus et al. 2021, arXiv:2101.03961, equations 4 to 6, as
 * transformers' {@code load_balancing_loss_func} has it): {@code c E sum of f_e P_e}, where f is
 * how often an expert was chosen and P its mean probability, both over all tokens and layers of a
 * step, whatever ranks they are on. f has no gradient, so that of each probability is c E f_e /
 * tokens; backward can begin when the forward of the whole step is done.
 */
final class RouterBalance {
  private final double coefficient;
  private final int experts;
  private double[] totals;
  private boolean complete;

  RouterBalance(double coefficient, DecoderConfig config) {
    this.coefficient = coefficient;
    this.experts = config.experts().count();
    this.totals = new double[2 * experts + 1];
  }

  boolean isOn() {
    return coefficient > 0 && experts > 0;
  }

  /** For a new step. */
  void reset() {
    totals = new double[2 * experts + 1];
    complete = false;
  }

  /** Choices and probabilities of a layer for some of the step's tokens. */
  void add(Routes routes, long tokens) {
    if (!isOn() || complete) {
      return;
    }
    for (int e = 0; e < experts; e++) {
      totals[e] += routes.counts()[e];
      totals[experts + e] += routes.sums()[e];
    }
    totals[2 * experts] += tokens;
  }

  /** After the forward of all of this rank's tokens; all ranks together, once a step. */
  void complete(ProcessGroup exchange, long step) {
    if (isOn() && !complete) {
      totals = exchange.sum("router balance", step, totals);
      complete = true;
    }
  }

  /** Of the whole step; 0 where it is off. */
  double loss() {
    double sum = 0;
    for (int e = 0; e < experts; e++) {
      sum += frequency(e) * totals[experts + e] / tokens();
    }
    return isOn() ? coefficient * experts * sum : 0;
  }

  /** The gradient of every token's probabilities (E) float32; empty where it is off. */
  Tensor gradient(Ops ops, Scope scope) {
    float[] gradient = new float[isOn() ? experts : 0];
    for (int e = 0; e < gradient.length; e++) {
      gradient[e] = (float) (coefficient * experts * frequency(e) / tokens());
    }
    return gradient.length == 0
        ? ops.empty(scope, ElementType.FLOAT32, 0)
        : ops.ofFloats(scope, gradient, experts);
  }

  private double frequency(int expert) {
    return totals[expert] / tokens();
  }

  private double tokens() {
    return Math.max(1, totals[2 * experts]);
  }
}
