package org.sparkfinetune.data.conversation;

import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import org.sparkfinetune.errors.UserError;

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

  /** Who speaks. Chat templates and data files use the lower-case {@link #text()}. */
  public enum Role {
    SYSTEM,
    USER,
    ASSISTANT;

    private final String text = name().toLowerCase(Locale.ROOT);

    /** {@code system}, {@code user} or {@code assistant}. */
    public String text() {
      return text;
    }

    /**
     * The role with exactly this text.
     *
     * @throws UserError if there is none
     */
    public static Role named(String text) {
      return withText(text)
          .orElseThrow(
              () -> new UserError("role '%s', allowed: system, user, assistant".formatted(text)));
    }

    /** The role with exactly this text; empty for any other spelling. */
    public static Optional<Role> withText(String text) {
      for (Role role : values()) {
        if (role.text.equals(text)) {
          return Optional.of(role);
        }
      }
      return Optional.empty();
    }
  }
}
