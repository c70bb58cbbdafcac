/**
 * The training engine: the loop over layers, loss, optimizer, schedules, evaluation, metrics. One
 * {@code Trainer} runs on each rank. May use all packages but {@code prepare}, {@code launch} and
 * Spark, so it also starts from a plain main in one JVM.
 *
 * <p>A newcomer may question the explicit loop where PyTorch has an autograd graph with hooks. A
 * step is a loop over layers: gather, run every micro-batch, release, next; then the same
 * downwards. Activation checkpointing, gathering and releasing are three visible lines of it, and a
 * layer is gathered and dequantised once per direction and step, however many micro-batches there
 * are.
 */
@NullMarked
package org.sparkfinetune.engine.train;

import org.jspecify.annotations.NullMarked;
