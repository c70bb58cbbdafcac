/**
 * Makes what the quickstart trains on: text-to-SQL rows, a tokenizer for them, a small Llama and
 * the rows that {@code jobs/bin/make-sample --train} makes its weights with; and random models of
 * any shape for measurements. Uses {@code llama}, {@code progress}, {@code quant}, {@code
 * safetensors} and {@code tensor}.
 *
 * <p>Rows are composed from hand-written schemas and query templates, so they can be checked: every
 * answer runs, every question determines its answer, and which rows share a schema or a query's
 * skeleton is known. The tokenizer's training is hand-written because DJL's tokenizers only load.
 * Random weights are drawn from a table of quantiles instead of {@code Random.nextGaussian()}: a
 * model of 8 billion weights is then limited by the disk.
 */
@NullMarked
package org.sparkfinetune.sample;

import org.jspecify.annotations.NullMarked;
