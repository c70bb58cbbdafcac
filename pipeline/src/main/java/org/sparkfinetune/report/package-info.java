/**
 * What a training run leaves for people, {@code report.html}: curves, time, memory, attempts,
 * configuration, provenance. Uses {@code metrics} and {@code html}.
 *
 * <p>A newcomer would expect it to be fed while training. It is made at the end from the files of
 * the run folder alone, so it cannot say anything that the files do not, and a run that was resumed
 * on another driver has the same report.
 */
@NullMarked
package org.sparkfinetune.report;

import org.jspecify.annotations.NullMarked;
