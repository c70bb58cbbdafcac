package org.sparkfinetune.inference.generate;

import org.sparkfinetune.data.conversation.Conversation;

/** What to write on from. */
public sealed interface TextPrompt {

  /** Tells apart sequences of the same seed. */
  long sequence();

  /** A text, after BOS if the tokenizer has one. */
  record Plain(long sequence, String text) implements TextPrompt {}

  /** A conversation that the assistant goes on with, through the chat template. */
  record Chat(long sequence, Conversation conversation) implements TextPrompt {}
}
