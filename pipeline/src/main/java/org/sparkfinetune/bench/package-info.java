/**
 * Models with random weights of any shape, for measurements, plans and tests. Uses {@code llama},
 * {@code progress}, {@code quant}, {@code safetensors} and {@code tensor}.
 *
 * <p>The command {@code make-model} and the benchmarks are in {@code jobs}. The models are made
 * here because {@code plan --shape} and the tests of the library need them too. Random weights are
 * drawn from a table of quantiles instead of {@code Random.nextGaussian()}: the disk then limits
 * how fast a model of 8 billion weights is written.
 */
@NullMarked
package org.sparkfinetune.bench;

import org.jspecify.annotations.NullMarked;
