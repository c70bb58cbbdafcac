package org.sparkfinetune.data.conversation;

import java.io.Serializable;
import java.util.List;

/**
 * Counts the tokens that training will see. An interface here, so that preparing needs no
 * tokenizer's library; sent to executors once and used by all tasks of one at a time.
 */
public interface TokenCounter extends Serializable {
  /**
   * Tokens of each conversation, in order; many at once, because that is faster.
   *
   * @throws org.sparkfinetune.errors.UserError if the chat template refuses one
   */
  int[] count(List<Conversation> conversations);
}
