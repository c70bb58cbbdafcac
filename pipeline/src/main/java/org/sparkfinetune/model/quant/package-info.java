/**
 * NF4 and double quantisation, bit for bit as bitsandbytes computes them, and its layout of
 * pre-quantised checkpoints.
 *
 * <p>May use {@code safetensors}, {@code errors} and slf4j. Hand-written because bitsandbytes has
 * no Java binding and libtorch no such type: composed from libtorch's operators decoding is 20
 * times slower than here.
 *
 * <p>The decision a newcomer would question: {@link org.sparkfinetune.model.quant.ScalarNf4} stays
 * although {@code VectorNf4} does the same faster. It is the definition that the fast one is tested
 * against, it finishes ragged blocks, and it serves JVMs that were started without the module
 * {@code jdk.incubator.vector}, where no class that names that module may be loaded.
 */
@NullMarked
package org.sparkfinetune.model.quant;

import org.jspecify.annotations.NullMarked;
