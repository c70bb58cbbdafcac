/**
 * A prepared data set on disk, as {@code prepare} writes it and every other command reads it:
 * layout, manifest, splits, the hash of its rows, and conversations on their way between executors.
 *
 * <p>The folder has a manifest although {@code prepare} renames it into place at the end. Object
 * stores have no such rename: files appear there one by one under their final names, and the
 * manifest, written last, is what makes a data set of them.
 */
@NullMarked
package org.sparkfinetune.spark.dataset;

import org.jspecify.annotations.NullMarked;
