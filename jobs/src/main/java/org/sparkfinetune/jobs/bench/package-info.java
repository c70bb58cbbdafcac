/**
 * The commands that measure: {@code bench-train} and {@code bench-generate} (behind {@code
 * jobs/bin/bench}), {@code make-model} for models to measure with, and {@code parity} for runs to
 * lay beside another program's. Uses the library only; {@code Main} adds the commands and gives
 * them what they need of {@code jobs}.
 *
 * <p>{@code ParityRun} itself is in the trainer's package: it is the trainer without Spark, which
 * the parity tests of the library run.
 */
@NullMarked
package org.sparkfinetune.jobs.bench;

import org.jspecify.annotations.NullMarked;
