/**
 * Decoders as Hugging Face lays them out: configuration, rotary embeddings, the names and shapes of
 * weights. A family is data: {@code DecoderConfigReader} alone knows it by name, and gives one
 * description that every engine follows. The arithmetic of a layer is a script ({@code
 * tensor/scripts.py}); the loop over layers is the trainer's. May use {@code tensor}, {@code
 * quant}, {@code safetensors} and {@code errors}.
 *
 * <p>A newcomer may ask why there is no model class with a forward method: weights are only there
 * while their layer runs (see {@code fsdp}), so the model is a list of shapes, not of objects that
 * own memory.
 */
@NullMarked
package org.sparkfinetune.model.family;

import org.jspecify.annotations.NullMarked;
