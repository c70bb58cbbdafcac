package org.sparkfinetune.data.conversation;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.errors.UserError;

/**
 * Texts for {@code user}, {@code assistant} and, if wanted, {@code system}, with columns in braces:
 * {@code "Question: {question}"}. A brace itself is written twice.
 */
public final class MessageTemplate implements Serializable {
  private static final long serialVersionUID = 1L;
  private static final Set<String> ALLOWED = Set.of("system", "user", "assistant");

  /** A literal text, or the name of a column whose value goes there. */
  record Piece(String text, Kind kind) implements Serializable {
    enum Kind {
      LITERAL,
      COLUMN
    }
  }

  private final EnumMap<Role, List<Piece>> texts = new EnumMap<>(Role.class);

  /**
   * @param texts by the role's lower-case name
   * @throws UserError for an unknown role, a missing one, a brace left open, or an assistant's text
   *     without any column
   */
  public MessageTemplate(Map<String, String> texts) {
    texts.forEach(
        (name, text) -> {
          Role role =
              Role.withText(name)
                  .orElseThrow(
                      () ->
                          new UserError(
                              "template: '%s' is not a role. Allowed: %s."
                                  .formatted(name, String.join(", ", ALLOWED))));
          this.texts.put(role, pieces(name, text));
        });
    for (Role role : List.of(Role.USER, Role.ASSISTANT)) {
      if (!this.texts.containsKey(role)) {
        throw new UserError("template: a text for '%s' is missing.".formatted(role.text()));
      }
    }
    if (pieces(Role.ASSISTANT).stream().noneMatch(piece -> piece.kind() == Piece.Kind.COLUMN)) {
      throw new UserError(
          "template: the text for 'assistant' names no column, so every row would teach the same"
              + " answer. Put a column in braces, like \"{answer}\".");
    }
  }

  Set<Role> roles() {
    return texts.keySet();
  }

  Set<String> columns() {
    return texts.values().stream()
        .flatMap(List::stream)
        .filter(piece -> piece.kind() == Piece.Kind.COLUMN)
        .map(Piece::text)
        .collect(Collectors.toUnmodifiableSet());
  }

  List<Piece> pieces(Role role) {
    return texts.getOrDefault(role, List.of());
  }

  private static List<Piece> pieces(String role, String text) {
    List<Piece> pieces = new ArrayList<>();
    StringBuilder literal = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean doubled = i + 1 < text.length() && text.charAt(i + 1) == c;
      if ((c == '{' || c == '}') && doubled) {
        literal.append(c);
        i++;
      } else if (c == '{') {
        int end = text.indexOf('}', i);
        String column = end < 0 ? "" : text.substring(i + 1, end).strip();
        if (column.isEmpty()) {
          throw unbalanced(role, text, i);
        }
        pieces.add(new Piece(literal.toString(), Piece.Kind.LITERAL));
        literal.setLength(0);
        pieces.add(new Piece(column, Piece.Kind.COLUMN));
        i = end;
      } else if (c == '}') {
        throw unbalanced(role, text, i);
      } else {
        literal.append(c);
      }
    }
    pieces.add(new Piece(literal.toString(), Piece.Kind.LITERAL));
    return List.copyOf(pieces);
  }

  private static UserError unbalanced(String role, String text, int at) {
    return new UserError(
        "template: the brace at character %s of the text for '%s' names no column: \"%s\". Write {name}, or {{ and }} for a brace itself."
            .formatted(at + 1, role, text));
  }
}
