package org.sparkfinetune.data.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One {@code {{ … }}} or {@code {% … %}} of a template, as tokens.
 *
 * @param line 1-based line of its beginning
 */
record TemplateTag(Kind kind, List<Token> tokens, int line) {
  enum Kind {
    PRINT,
    BLOCK
  }

  enum TokenKind {
    NAME,
    STRING,
    NUMBER,
    OPERATOR
  }

  /**
   * @param text a string's inside, without quotes
   */
  record Token(TokenKind kind, String text) {
    boolean is(TokenKind other, String value) {
      return kind == other && text.equals(value);
    }

    boolean isName(String value) {
      return is(TokenKind.NAME, value);
    }

    boolean isOperator(String value) {
      return is(TokenKind.OPERATOR, value);
    }
  }

  private static final Token NO_TOKEN = new Token(TokenKind.OPERATOR, "");

  private static final Pattern TOKEN =
      Pattern.compile(
          "\\s*(?:(?<name>[A-Za-z_]\\w*)|(?<number>\\d[\\w.]*)"
              + "|'(?<single>(?:[^'\\\\]|\\\\.)*)'|\"(?<double>(?:[^\"\\\\]|\\\\.)*)\""
              + "|(?<operator>==|!=|<=|>=|//|\\*\\*|\\S))",
          Pattern.DOTALL);

  TemplateTag {
    tokens = List.copyOf(tokens);
  }

  static List<TemplateTag> of(String source) {
    List<TemplateTag> tags = new ArrayList<>();
    Matcher matcher = WhitespaceControl.TAG.matcher(source);
    int line = 1;
    int counted = 0;
    while (matcher.find()) {
      line +=
          (int) source.substring(counted, matcher.start()).chars().filter(c -> c == '\n').count();
      counted = matcher.start();
      String print = matcher.group("print");
      String block = matcher.group("block");
      if (print != null) {
        tags.add(new TemplateTag(Kind.PRINT, tokensOf(print), line));
      } else if (block != null) {
        tags.add(new TemplateTag(Kind.BLOCK, tokensOf(block), line));
      }
    }
    return tags;
  }

  private static List<Token> tokensOf(String expression) {
    List<Token> tokens = new ArrayList<>();
    Matcher matcher = TOKEN.matcher(expression);
    int at = 0;
    while (matcher.find(at) && matcher.start() == at) {
      tokens.add(tokenOf(matcher));
      at = matcher.end();
    }
    return tokens;
  }

  private static Token tokenOf(Matcher matcher) {
    if (matcher.group("name") != null) {
      return new Token(TokenKind.NAME, matcher.group("name"));
    }
    if (matcher.group("number") != null) {
      return new Token(TokenKind.NUMBER, matcher.group("number"));
    }
    if (matcher.group("single") != null) {
      return new Token(TokenKind.STRING, matcher.group("single"));
    }
    if (matcher.group("double") != null) {
      return new Token(TokenKind.STRING, matcher.group("double"));
    }
    return new Token(TokenKind.OPERATOR, matcher.group("operator"));
  }

  /** The first word of a block; empty for a print tag. */
  String blockName() {
    return kind == Kind.BLOCK && !tokens.isEmpty() ? tokens.get(0).text() : "";
  }

  /** The token at an index, an empty one outside. */
  Token token(int index) {
    return index >= 0 && index < tokens.size() ? tokens.get(index) : NO_TOKEN;
  }
}
