package org.sparkfinetune.data.jinja;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.sparkfinetune.data.jinja.TemplateTag.Token;
import org.sparkfinetune.data.jinja.TemplateTag.TokenKind;

/**
 * Decides whether a template only ever copies contents, at most trimmed: no condition looks at one,
 * no filter or method changes one. The text around the contents then depends on the roles alone, so
 * it is rendered once for each sequence of roles. Careful rather than complete: what it does not
 * know counts as looking.
 */
final class ContentFlow {
  private static final Set<String> HARMLESS_BLOCKS =
      Set.of("if", "elif", "else", "endif", "for", "endfor", "set", "generation", "endgeneration");
  private static final Set<String> HARMLESS_CALLS = Set.of("strip", "raise_exception", "namespace");
  private static final Set<String> HARMLESS_FILTERS = Set.of("trim", "length");

  private final List<TemplateTag> tags;

  /** Variables that hold (parts of) contents. */
  private final Set<String> holders = new HashSet<>();

  private ContentFlow(List<TemplateTag> tags) {
    this.tags = tags;
  }

  static boolean onlyCopies(List<TemplateTag> tags) {
    return new ContentFlow(tags).onlyCopies();
  }

  private boolean onlyCopies() {
    int before;
    do {
      before = holders.size();
      tags.forEach(this::follow);
    } while (holders.size() > before);
    return tags.stream().allMatch(this::isHarmless);
  }

  private void follow(TemplateTag tag) {
    if (tag.blockName().equals("set") && mentionsContent(tag, 2)) {
      holders.add(tag.token(1).text());
    }
  }

  private boolean isHarmless(TemplateTag tag) {
    String block = tag.blockName();
    if (tag.kind() == TemplateTag.Kind.BLOCK && !HARMLESS_BLOCKS.contains(block)) {
      return false;
    }
    if (block.equals("set")) {
      boolean plain = tag.token(2).isOperator("=");
      boolean property = tag.token(2).isOperator(".") && tag.token(4).isOperator("=");
      int value = plain ? 3 : 5;
      return (plain || property)
          && usesHarmlessWords(tag)
          && (!mentionsContent(tag, value) || (plain && isConcatenation(tag, value)));
    }
    boolean prints = tag.kind() == TemplateTag.Kind.PRINT;
    return usesHarmlessWords(tag)
        && (!mentionsContent(tag, 0) || (prints && isConcatenation(tag, 0)));
  }

  private boolean mentionsContent(TemplateTag tag, int from) {
    for (int i = from; i < tag.tokens().size(); i++) {
      if (isContent(tag, i)) {
        return true;
      }
    }
    return false;
  }

  /** Whether the token ends {@code x.content}, {@code x['content']} or is a holder's name. */
  private boolean isContent(TemplateTag tag, int i) {
    Token token = tag.token(i);
    if (token.kind() == TokenKind.NAME) {
      boolean property = tag.token(i - 1).isOperator(".");
      return property ? token.text().equals("content") : holders.contains(token.text());
    }
    return token.isOperator("]") && tag.token(i - 1).is(TokenKind.STRING, "content");
  }

  /** No unknown call or filter, no way to contents but by their name, no comparison of messages. */
  private static boolean usesHarmlessWords(TemplateTag tag) {
    for (int i = 0; i < tag.tokens().size(); i++) {
      Token token = tag.token(i);
      Token before = tag.token(i - 1);
      Token after = tag.token(i + 1);
      boolean name = token.kind() == TokenKind.NAME;
      boolean keyword =
          name && Set.of("if", "elif", "and", "or", "not", "in").contains(token.text());
      boolean called = name && !keyword && after.isOperator("(");
      boolean filter = name && before.isOperator("|");
      boolean index = before.isOperator("[") && after.isOperator("]");
      boolean comparison = token.isOperator("==") || token.isOperator("!=");
      if ((called && !HARMLESS_CALLS.contains(token.text()))
          || (filter && !HARMLESS_FILTERS.contains(token.text()))
          || (token.is(TokenKind.STRING, "content") && !index)
          || (comparison && !isConstant(before) && !isConstant(after) && !before.isOperator(")"))
          || (index && name)) {
        return false;
      }
    }
    return true;
  }

  private static boolean isConstant(Token token) {
    return token.kind() == TokenKind.STRING
        || token.kind() == TokenKind.NUMBER
        || Set.of("true", "false", "none", "True", "False", "None").contains(token.text());
  }

  /** Only strings, names and contents joined by {@code +} and {@code ~}. */
  private boolean isConcatenation(TemplateTag tag, int from) {
    for (int i = from; i < tag.tokens().size(); i++) {
      Token token = tag.token(i);
      boolean allowed =
          switch (token.kind()) {
            case STRING -> true;
            case NUMBER -> tag.token(i - 1).isOperator("[") && !isContent(tag, i - 2);
            case NAME ->
                !Set.of("if", "else", "in", "is", "not", "and", "or").contains(token.text());
            case OPERATOR -> "+~|.[]()".contains(token.text());
          };
      if (!allowed || (isContent(tag, i) && !mayFollowContent(tag, i + 1))) {
        return false;
      }
    }
    return true;
  }

  private static boolean mayFollowContent(TemplateTag tag, int next) {
    Token token = tag.token(next);
    return switch (token.text()) {
      case "", "+", "~", ")" -> true;
      case "|" -> tag.token(next + 1).isName("trim");
      case "." ->
          tag.token(next + 1).isName("strip")
              && tag.token(next + 2).isOperator("(")
              && tag.token(next + 3).isOperator(")");
      default -> false;
    };
  }
}
