/**
 * The command {@code why}: where a conversation of a prepared data set is from, and which runs were
 * trained on it. It only reads what {@code prepare} and {@code train} wrote.
 */
@NullMarked
package org.sparkfinetune.spark.why;

import org.jspecify.annotations.NullMarked;
