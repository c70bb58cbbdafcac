/**
 * The command {@code generate}: one prompt on the driver, or a column of prompts to a column of
 * answers on all executors. A model is loaded once in each executor JVM and serves all its tasks.
 *
 * <p>An answer depends on its own prompt and seed alone, so neither partitions nor retries change
 * it.
 */
@NullMarked
package org.sparkfinetune.spark.generate;

import org.jspecify.annotations.NullMarked;
