/**
 * Memory, time and cost of a training run from its configuration and the model's shape, before
 * anything is started. Uses {@code config}, {@code llama}, {@code peft} (which linears carry LoRA),
 * {@code tensor} (to measure this machine's processor) and of {@code train} the sizes of its
 * buffers.
 *
 * <p>A newcomer would question that the trainer's memory is written down a second time here as
 * formulas. A plan for a thousand GPUs cannot be made by running anything; each formula names the
 * tensors it stands for, and a test holds the sum against what a real run used.
 */
@NullMarked
package org.sparkfinetune.plan;

import org.jspecify.annotations.NullMarked;
