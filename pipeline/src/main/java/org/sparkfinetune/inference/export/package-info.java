/**
 * A base model and its adapter as one model again: in Hugging Face's layout, or as GGUF.
 *
 * <p>May use {@code config}'s words, {@code llama}, {@code peft}, {@code progress}, {@code quant},
 * {@code safetensors} and {@code tensor}'s shapes. Hand-written because PEFT's merge and
 * llama.cpp's converter are Python; neither can merge a model larger than memory.
 *
 * <p>The decision a newcomer would question: a weight is never held whole. Pieces of a megabyte of
 * values go from the checkpoint through the adapter to the file, so that a 70B model is merged by a
 * JVM of a few hundred megabytes; the price is that weights merged into the dequantised base are
 * read twice.
 */
@NullMarked
package org.sparkfinetune.inference.export;

import org.jspecify.annotations.NullMarked;
