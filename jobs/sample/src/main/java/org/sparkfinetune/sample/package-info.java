/**
 * Makes what the quickstart trains on: text-to-SQL rows, a tokenizer for them, a small Llama and
 * the rows that {@code jobs/bin/make-sample --train} makes its weights with. A module of its own,
 * outside the shipped jar: users need the sample, not its generator.
 *
 * <p>Rows are composed from hand-written schemas and query templates, so they can be checked: every
 * answer runs, every question determines its answer, and it is known which rows share a schema or a
 * query's skeleton. The tokenizer's training is hand-written because DJL's tokenizers only load.
 */
@NullMarked
package org.sparkfinetune.sample;

import org.jspecify.annotations.NullMarked;
