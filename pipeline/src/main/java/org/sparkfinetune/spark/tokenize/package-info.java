/**
 * The command {@code tokenize} and the first part of {@code train}: conversations to packed rows of
 * token ids on all executors, kept in a cache under a hash of everything that shaped them.
 *
 * <p>Only lengths come to the driver, which decides what shares a row; the ids themselves never
 * leave the executors.
 */
@NullMarked
package org.sparkfinetune.spark.tokenize;

import org.jspecify.annotations.NullMarked;
