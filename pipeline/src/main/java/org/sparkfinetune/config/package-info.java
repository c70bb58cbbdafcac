/**
 * What the user asked for: records of the YAML files and of the command line that overrides them.
 * Uses {@code errors}, Jackson's YAML parser and Hadoop's file systems, nothing else of ours.
 *
 * <p>A record component with a {@link org.sparkfinetune.config.Key} is a key. Reading, the records'
 * own checks, {@code --help} and the resolved {@code config.yaml} follow from this one place.
 *
 * <p>The decision a newcomer would question: Jackson parses, and its data binding is not used.
 * Databind stops at the first value that it refuses and forgets lines; our messages name file, line
 * and what is allowed, and tell all bad values of a file together. The command line goes through
 * the same keys: picocli, which the commands use, knows neither the spellings of a file nor a
 * boolean without a value beside a list of words.
 */
@NullMarked
package org.sparkfinetune.config;

import org.jspecify.annotations.NullMarked;
