package org.sparkfinetune.jobs;

import java.util.Optional;
import java.util.OptionalLong;

/**
 * What is to be planned.
 *
 * @param gpus devices; without it the configuration's ranks
 * @param gpuTable a table instead of the shipped one
 * @param shape a model's shape instead of the configuration's model
 * @param tokens of the training split, if known
 */
record PlanRequest(
    Request configured,
    Optional<Integer> gpus,
    String gpuType,
    Optional<String> gpuTable,
    Optional<String> shape,
    OptionalLong tokens,
    OutputForm output) {}
