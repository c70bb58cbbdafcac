package org.sparkfinetune.data.conversation;

import java.util.Locale;
import java.util.Optional;
import org.sparkfinetune.errors.UserError;

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
