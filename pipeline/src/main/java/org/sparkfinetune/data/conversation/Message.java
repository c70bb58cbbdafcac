package org.sparkfinetune.data.conversation;

import java.util.Objects;

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
