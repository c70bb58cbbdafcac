/**
 * From conversations to packed rows of token ids with loss masks. Uses {@code conversation}, the
 * enums of {@code config}, DJL's Hugging Face tokenizers and Parquet (never Spark, so that a
 * trainer reads its rows without it).
 *
 * <p>The decision a newcomer would question: ids are taken from DJL's native library and not from
 * its {@code Encoding}, which copies six more arrays of every text and halves the speed.
 *
 * <p>Hand-written: {@code WordEncoder}, which cuts ASCII texts into Llama 3's words, since the
 * native library takes longer for a word's ids than for looking them up; the columns of packed rows
 * in Parquet, as both Spark's rows and Parquet's example records make an object of every token; and
 * best-fit packing, forty lines on a bit set.
 */
@NullMarked
package org.sparkfinetune.data.tokenize;

import org.jspecify.annotations.NullMarked;
