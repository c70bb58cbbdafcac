/**
 * Text from a model: decoding with a key/value cache, sampling, and the loss of given texts.
 *
 * <p>May use {@code model}, {@code data}, {@code config}'s words and, for devices with a memory of
 * their own, {@code engine.tensor}; not Spark. {@link
 * org.sparkfinetune.inference.generate.Generator} drives one of two {@link
 * org.sparkfinetune.inference.generate.Decoder}s and does not know which.
 *
 * <p>The decision a newcomer would question: on the processor the whole decoder is Java on arrays
 * and the Vector API, although {@code tensor} has libtorch. Tokens, one or many, meet panels of
 * weights in bf16; products with them run at four fifths of what libtorch's float32 products reach.
 * Panels stay in the heap where those of the whole model fit a part of it ({@link
 * org.sparkfinetune.inference.generate.KeptPanels}): decoding NF4 takes longer than reading bf16,
 * as long as few columns share it. Otherwise each is decoded into a first-level cache whenever it
 * is used, to the same bits, and no decoded matrix is in memory. Batch inference on executors then
 * needs no libtorch (446 MB to unpack, a second thread pool), a prompt is the same code with more
 * columns, and no padding exists anywhere.
 *
 * <p>Activations and sums are float32, weights are what the checkpoint holds or what QLoRA trained
 * over. Every sum is made in the same order whatever else is in the batch and however many threads
 * there are, so a row of a DataFrame gets the same answer wherever it is computed, but for what
 * follows. Where panels do not stay, a generator of one sequence at a time ({@code batch_size: 1},
 * a single prompt) sums along rows, which is faster there: its logits differ from the others' in
 * the last places.
 *
 * <p>Where the processor has arithmetic of bfloat16, products with it run at twice the speed of
 * Java's vectors, which have none: a task with many answers gives the layers' products to libtorch
 * ({@link org.sparkfinetune.inference.generate.PackedWeights}), all else stays as it is. Each of
 * the decoder's own threads calls a libtorch of one thread with its rows, so that there is no
 * second pool. A column's result depends on nothing beside it there either (oneDNN adds in the
 * order of inputs), but what it is rounded to differs, so the way is a matter of the command, model
 * and machine, never of how many answers are left.
 *
 * <p>On a GPU the training operators decode ({@link
 * org.sparkfinetune.inference.generate.OperatorDecoder}): there they are fast enough, and a second
 * set of kernels would be one more to hold against transformers. Their sizes are padded, and an
 * answer may differ with what is decoded beside it.
 */
@NullMarked
package org.sparkfinetune.inference.generate;

import org.jspecify.annotations.NullMarked;
