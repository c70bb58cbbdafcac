/**
 * The commands behind {@code spark-submit spark-finetune.jar COMMAND}: reads the command line,
 * calls the pipeline, turns failures into exit codes. Decides nothing else.
 *
 * <p>May use everything. A newcomer would question that picocli parses only {@code --config},
 * {@code --json} and {@code --help}: every key of the YAML is an option too, shown by picocli's
 * help, but read by {@code config}, which gives a key the same spellings and messages in both
 * places.
 */
@NullMarked
package org.sparkfinetune.jobs;

import org.jspecify.annotations.NullMarked;
