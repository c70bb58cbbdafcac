package org.sparkfinetune.data.jinja;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Rewrites what jinjava reads otherwise than Jinja into what both read alike: {@code f(a=x - 1)},
 * which it takes for {@code f(a=x) - 1}, into {@code f(a=(x - 1))}, and {@code [::-1]}, which it
 * does not know, into {@code |reverse}.
 */
final class JinjavaDialect {
  private static final String REVERSED = "[::-1]";

  private final String expression;
  private final StringBuilder out = new StringBuilder();

  /** Open brackets; an 'a' on top of a '(' stands for a named argument's added parenthesis. */
  private final Deque<Character> open = new ArrayDeque<>();

  private JinjavaDialect(String expression) {
    this.expression = expression;
  }

  /**
   * @param expression the inside of a tag
   */
  static String rewrite(String expression) {
    return new JinjavaDialect(expression).run();
  }

  private String run() {
    int at = 0;
    while (at < expression.length()) {
      char c = expression.charAt(at);
      if (c == '\'' || c == '"') {
        int end = endOfString(at);
        out.append(expression, at, end);
        at = end;
      } else if (expression.startsWith(REVERSED, at)) {
        out.append("|reverse");
        at += REVERSED.length();
      } else {
        character(c, at);
        at++;
      }
    }
    return out.toString();
  }

  private int endOfString(int from) {
    int at = from + 1;
    while (at < expression.length() && expression.charAt(at) != expression.charAt(from)) {
      at += expression.charAt(at) == '\\' ? 2 : 1;
    }
    return Math.min(at + 1, expression.length());
  }

  private void character(char c, int at) {
    boolean argument = Character.valueOf('a').equals(open.peek());
    switch (c) {
      case '(', '[', '{' -> open.push(c);
      case ')', ']', '}' -> {
        if (argument) {
          closeArgument();
        }
        open.poll();
      }
      case ',' -> {
        if (argument) {
          closeArgument();
        }
      }
      default -> {}
    }
    out.append(c);
    if (c == '=' && Character.valueOf('(').equals(open.peek()) && isAssignment(at)) {
      open.push('a');
      out.append('(');
    }
  }

  private void closeArgument() {
    open.poll();
    out.append(')');
  }

  private boolean isAssignment(int at) {
    char before = at == 0 ? ' ' : expression.charAt(at - 1);
    return "=!<>".indexOf(before) < 0 && !expression.startsWith("=", at + 1);
  }
}
