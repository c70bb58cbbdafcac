/**
 * How far a command is, for the person who watches: one line that is rewritten on a terminal, plain
 * lines elsewhere. Uses {@code errors} and log4j, which every Spark brings.
 *
 * <p>The decision a newcomer would question: no library for progress bars. Those at hand draw well,
 * but know nothing of the log lines that Spark and we write to the same terminal; here the line is
 * cleared before each of them, whatever the user's log configuration is.
 */
@NullMarked
package org.sparkfinetune.progress;

import org.jspecify.annotations.NullMarked;
