/**
 * From the driver to the ranks: what executors need before they start, how many ranks there can be,
 * a barrier stage with one rank per executor JVM, and attempts after a failure.
 *
 * <p>May use Spark and everything below; {@code scala.*} in {@link
 * org.sparkfinetune.launch.ScalaBridge} alone, because Scala's signatures differ between the Spark
 * lines that one jar has to serve.
 *
 * <p>The decision to question: a failed attempt is repeated by a loop in the driver. Spark repeats
 * stages too, but not a failed barrier result stage, and it knows nothing of checkpoints.
 */
@NullMarked
package org.sparkfinetune.launch;

import org.jspecify.annotations.NullMarked;
