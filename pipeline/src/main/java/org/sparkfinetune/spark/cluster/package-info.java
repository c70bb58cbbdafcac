/**
 * Ranks on executors: what the scheduler needs before executors start, how many ranks there can be,
 * a barrier stage with one rank per executor JVM, their rendezvous, and the first cause of a
 * failure. Every command that runs ranks uses it.
 *
 * <p>{@code scala.*} is used in {@link org.sparkfinetune.spark.cluster.ScalaBridge} alone, because
 * Scala's signatures differ between the two Spark lines that one jar has to serve.
 */
@NullMarked
package org.sparkfinetune.spark.cluster;

import org.jspecify.annotations.NullMarked;
