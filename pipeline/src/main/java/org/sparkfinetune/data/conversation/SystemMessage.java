package org.sparkfinetune.data.conversation;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.Conversation.Message;

/**
 * The system message for conversations that do not begin with one of their own.
 *
 * @param text null for none (not an Optional: converters travel to executors)
 */
record SystemMessage(@Nullable String text) implements Serializable {
  static SystemMessage of(Optional<String> text) {
    return new SystemMessage(text.orElse(null));
  }

  static SystemMessage of(String text) {
    return new SystemMessage(text);
  }

  List<Message> before(List<Message> messages) {
    boolean hasItsOwn = !messages.isEmpty() && messages.get(0).role() == Role.SYSTEM;
    if (text == null || hasItsOwn) {
      return messages;
    }
    List<Message> all = new ArrayList<>(messages.size() + 1);
    all.add(new Message(Role.SYSTEM, text));
    all.addAll(messages);
    return all;
  }
}
