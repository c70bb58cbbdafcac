/**
 * The one door to libtorch. {@code scripts.py} beside this package holds every tensor operation as
 * TorchScript, compiled from text when a process starts; {@link org.sparkfinetune.tensor.Ops} is
 * its typed facade. Only this package (and {@code tokenize}, for tokenizers) may use DJL.
 *
 * <p>Why scripts and not DJL's own arrays: those lack bfloat16 (an argument of that type aborts the
 * JVM) and most fused operators, while a script reaches all of libtorch, on CPU and CUDA alike. Why
 * gradients are written by hand: a decoder layer's backward is known, autograd inside it would only
 * keep more alive.
 */
@NullMarked
package org.sparkfinetune.tensor;

import org.jspecify.annotations.NullMarked;
