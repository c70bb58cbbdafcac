package org.sparkfinetune.data.conversation;

import java.util.List;

/**
 * Messages in the order in which they were said. Whether that order can be trained on is a matter
 * of the data, not of this type: a prompt for generation ends with the user's turn.
 *
 * @param messages unmodifiable
 */
public record Conversation(List<Message> messages) {
  public Conversation {
    messages = List.copyOf(messages);
  }
}
