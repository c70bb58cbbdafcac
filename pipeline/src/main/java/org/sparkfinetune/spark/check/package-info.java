/**
 * The command {@code check}: everything about a run that can be known before it, found out by the
 * code that the run would use. Writes nothing.
 */
@NullMarked
package org.sparkfinetune.spark.check;

import org.jspecify.annotations.NullMarked;
