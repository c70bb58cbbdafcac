/**
 * The commands behind {@code spark-submit spark-finetune.jar COMMAND}: reads the command line,
 * calls the pipeline, turns failures into exit codes. Decides nothing else.
 *
 * <p>May use everything. A newcomer would question that only {@code --config} and {@code --help}
 * are declared as options: every key of the YAML is an option too, and what keys there are is known
 * to {@code config} alone, so the rest of the command line is handed to it unread.
 */
@NullMarked
package org.sparkfinetune.jobs;

import org.jspecify.annotations.NullMarked;
