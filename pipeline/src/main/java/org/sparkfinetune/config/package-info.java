/**
 * What the user asked for: records of the YAML files and of the command line that overrides them.
 * Uses {@code errors}, Jackson's YAML parser and Hadoop's file systems, nothing else of ours.
 *
 * <p>The decision a newcomer would question: values are bound through a table of keys ({@link
 * org.sparkfinetune.config.KeyTable}) and not by Jackson's data binding. Binding by annotations
 * knows no line numbers, no second spelling of a key and no help text, and it coerces; the table
 * gives the strict reader, the messages, {@code --help} and the resolved {@code config.yaml} one
 * common source, and the records check themselves against the same entries.
 *
 * <p>Hand-written: the edit distance behind "did you mean" (fifteen lines, and a dependency for it
 * would come along into every place that reads a configuration).
 */
@NullMarked
package org.sparkfinetune.config;

import org.jspecify.annotations.NullMarked;
