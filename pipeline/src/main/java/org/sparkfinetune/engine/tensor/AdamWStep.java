package org.sparkfinetune.engine.tensor;

/**
 * The numbers of one AdamW step (Loshchilov and Hutter 2019, algorithm 2).
 *
 * @param clipCoefficient what gradients are multiplied with first, 1 for no clipping
 * @param step from 1
 */
public record AdamWStep(
    double clipCoefficient,
    double learningRate,
    double weightDecay,
    double beta1,
    double beta2,
    double eps,
    long step) {

  public AdamWStep withWeightDecay(double decay) {
    return new AdamWStep(clipCoefficient, learningRate, decay, beta1, beta2, eps, step);
  }
}
