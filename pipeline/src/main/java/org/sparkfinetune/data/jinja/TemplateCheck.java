package org.sparkfinetune.data.jinja;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.function.Predicate;
import org.sparkfinetune.errors.UserError;

/**
 * Finds what jinjava would pass over in silence, giving other text than Jinja: a filter it does not
 * know, {@code {% for … if … %}}, {@code {% for %} … {% else %}}.
 */
final class TemplateCheck {
  private final String name;
  private final Predicate<String> knownFilter;

  TemplateCheck(String name, Predicate<String> knownFilter) {
    this.name = name;
    this.knownFilter = knownFilter;
  }

  void check(List<TemplateTag> tags) {
    Deque<String> open = new ArrayDeque<>();
    for (TemplateTag tag : tags) {
      checkFilters(tag);
      String block = tag.blockName();
      if (block.equals("if") || block.equals("for")) {
        open.push(block);
      } else if (block.equals("endif") || block.equals("endfor")) {
        open.poll();
      } else if (block.equals("else") && "for".equals(open.peek())) {
        throw unsupported(tag, "{% else %} of a {% for %}", "put an {% if %} around the loop");
      }
      if (block.equals("for") && hasLoopCondition(tag)) {
        throw unsupported(tag, "{% for … if … %}", "put an {% if %} inside the loop");
      }
    }
  }

  private void checkFilters(TemplateTag tag) {
    for (int i = 1; i < tag.tokens().size(); i++) {
      TemplateTag.Token token = tag.token(i);
      if (tag.token(i - 1).isOperator("|")
          && token.kind() == TemplateTag.TokenKind.NAME
          && !knownFilter.test(token.text())) {
        throw unsupported(tag, "the filter '" + token.text() + "'", "write it without this filter");
      }
    }
  }

  private static boolean hasLoopCondition(TemplateTag tag) {
    int condition = -1;
    for (int i = 0; i < tag.tokens().size(); i++) {
      if (tag.token(i).isName("if")) {
        condition = i;
      } else if (tag.token(i).isName("else")) {
        condition = -1;
      }
    }
    return condition > 0;
  }

  private UserError unsupported(TemplateTag tag, String what, String instead) {
    return new UserError(
        "The chat template '%s', line %s, uses %s, which is not supported here: %s, or name another chat_template."
            .formatted(name, tag.line(), what, instead));
  }
}
