/**
 * LoRA as PEFT defines it: adapter files in PEFT's layout, read from any version since 0.5 and
 * written as 0.21 writes them.
 *
 * <p>May use {@code safetensors}, {@code tensor}, {@code quant} and {@code errors}. Hand-written
 * because PEFT is a Python library.
 *
 * <p>The decision a newcomer would question: a key of {@code adapter_config.json} that we do not
 * know is accepted only with a value that switches its feature off. PEFT adds keys with every
 * release, and nearly all adapters leave them alone; one that does not would compute something else
 * here.
 */
@NullMarked
package org.sparkfinetune.model.peft;

import org.jspecify.annotations.NullMarked;
