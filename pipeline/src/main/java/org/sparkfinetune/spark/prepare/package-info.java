/**
 * Raw data to conversations, on Spark: read strictly, put aside what cannot be taken, order by a
 * hash, select, split, write, report. The only package besides {@code launch} and {@code jobs} that
 * may use Spark SQL; it uses {@code config}, {@code conversation} and errors, and never needs
 * libtorch.
 *
 * <p>A newcomer would ask why text is not read by {@code spark.read().json}. Spark's reader turns
 * numbers and objects into strings without a word, drops a top-level array, and no longer knows
 * which line a row came from. Here every row is read by {@link
 * org.sparkfinetune.spark.prepare.SourceRows} with its number, and a row is either a conversation
 * or a counted rejection with a reason.
 *
 * <p>Order and split never depend on partitions: a row's place is decided by a hash of its text and
 * the seed, buckets are ranges of that hash, and their number depends on the size of the input
 * alone. So the shuffle is one exchange without sampling, exact positions follow from the counts
 * that the map side already has, and each bucket is written once, straight into its split.
 *
 * <p>Hand-written: the JSON lines encoder (the reference's bytes are those of pandas' ujson, which
 * no Java library writes), the line reader (knows the byte and the number of each line in a split)
 * and the CSV reader (Spark's coerces ragged rows; ours names them).
 */
@NullMarked
package org.sparkfinetune.spark.prepare;

import org.jspecify.annotations.NullMarked;
