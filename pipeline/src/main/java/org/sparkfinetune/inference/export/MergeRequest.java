package org.sparkfinetune.inference.export;

import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.MergeBase;
import org.sparkfinetune.model.safetensors.DType;

/**
 * What to merge, and into what.
 *
 * @param adapter without one the base model is written as it is, or dequantised
 * @param output a folder that is empty or not there
 * @param dtype of all weights; without it each weight keeps its own
 * @param maxShardSize bytes of tensor data in a file
 */
public record MergeRequest(
    Path model,
    Optional<Path> adapter,
    Path output,
    MergeBase base,
    Optional<DType> dtype,
    long maxShardSize) {}
