package org.sparkfinetune.train;

import org.sparkfinetune.llama.LlamaConfig;

/**
 * What is trained, and how it is computed.
 *
 * @param loraScale what LoRA's product is multiplied with
 * @param dropout of LoRA's inputs
 * @param plainType how frozen weights outside NF4 are kept: float32 for a float32 checkpoint, else
 *     bfloat16
 */
record ModelRecipe(
    LlamaConfig config,
    ModelGroups.Method method,
    double loraScale,
    double dropout,
    long seed,
    Precision precision,
    org.sparkfinetune.fsdp.PlainType plainType) {}
