package org.sparkfinetune.engine.tensor;

/**
 * What NF4's codes stand for.
 *
 * @param pairs (256, 2) float32, the two weights of a byte
 * @param absmax (256) float32, the values of nested codes
 */
public record Nf4Tables(Tensor pairs, Tensor absmax) {}
