/**
 * The command {@code evaluate}: a model, and its base model beside it, measured on a test split by
 * all executors, and the best adapter so far promoted. The metrics themselves are in {@code
 * inference.evaluate}.
 */
@NullMarked
package org.sparkfinetune.spark.evaluate;

import org.jspecify.annotations.NullMarked;
