/**
 * The command {@code train} on the driver: preflight, the run's own rows, where it resumes, the
 * attempts, progress, tracking, the summary. What a rank does is in {@code engine.train}.
 *
 * <p>A loop in the driver repeats a failed attempt. Spark repeats stages too, but not a failed
 * barrier result stage, and it knows nothing of checkpoints.
 */
@NullMarked
package org.sparkfinetune.spark.train;

import org.jspecify.annotations.NullMarked;
