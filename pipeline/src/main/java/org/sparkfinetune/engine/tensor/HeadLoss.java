package org.sparkfinetune.engine.tensor;

/**
 * What the head gives.
 *
 * @param sum of the losses of all positions, natural logarithm
 * @param inputGradient (n, H), empty if not asked for
 * @param weightGradient (V, H) float32, empty if not asked for
 */
public record HeadLoss(double sum, Tensor inputGradient, Tensor weightGradient) {}
