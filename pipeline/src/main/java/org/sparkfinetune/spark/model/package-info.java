/**
 * From the names that users give models, tokenizers and adapters to folders that every executor can
 * read, and what identifies them. A model on a hub is downloaded once, by the driver, into a shared
 * cache, so executors need neither a token nor the internet.
 */
@NullMarked
package org.sparkfinetune.spark.model;

import org.jspecify.annotations.NullMarked;
