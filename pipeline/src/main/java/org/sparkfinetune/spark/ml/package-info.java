/**
 * Fine-tuning as Spark ML has it: an {@code Estimator} whose {@code Params} are the keys of {@code
 * train}, the {@code Transformer} that it makes, and an {@code Evaluator} of answers. Pipelines,
 * parameter grids and {@code TrainValidationSplit} work with them; the work is done by the rooms of
 * the commands.
 */
@NullMarked
package org.sparkfinetune.spark.ml;

import org.jspecify.annotations.NullMarked;
