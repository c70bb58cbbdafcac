package org.sparkfinetune.engine.train;

import org.sparkfinetune.data.tokenize.PackedRow;

/**
 * A packed row and its place among all rows of the global step, the same for any number of ranks.
 */
record StepRow(PackedRow row, int indexInStep) {}
