package org.sparkfinetune.data.conversation;

import java.util.List;
import java.util.Objects;

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

  /**
   * One turn of a conversation.
   *
   * @param content the text as it came, neither trimmed nor normalised; may be empty
   */
  public record Message(Role role, String content) {
    public Message {
      Objects.requireNonNull(role, "role");
      Objects.requireNonNull(content, "content");
    }
  }
}
