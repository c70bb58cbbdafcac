package org.sparkfinetune.config;

import java.util.Optional;

/**
 * What the report counts tokens with.
 *
 * @param tokenizer folder, URI or hub id
 * @param chatTemplate as in training; empty: the tokenizer's own, else the reference's
 * @param maxSeqLength tokens of a row in the training to come
 */
public record TokenCounting(String tokenizer, Optional<String> chatTemplate, int maxSeqLength) {
  public TokenCounting {
    PrepareKeys.TOKENIZER.check(Optional.of(tokenizer));
    PrepareKeys.CHAT_TEMPLATE.check(chatTemplate);
    PrepareKeys.MAX_SEQ_LENGTH.check(Optional.of(maxSeqLength));
  }
}
