/**
 * From conversations to packed rows of token ids with loss masks. Uses {@code conversation} and
 * DJL's Hugging Face tokenizers.
 */
@NullMarked
package org.sparkfinetune.tokenize;

import org.jspecify.annotations.NullMarked;
