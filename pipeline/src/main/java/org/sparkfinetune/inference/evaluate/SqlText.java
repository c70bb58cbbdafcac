package org.sparkfinetune.inference.evaluate;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** SQL as tokens, as far as comparing texts and finding literals needs it. */
final class SqlText {
  private static final Pattern TOKEN =
      Pattern.compile(
          "(?<space>\\s+|--[^\\n]*|/\\*.*?(?:\\*/|$))"
              + "|(?<text>'(?:[^']|'')*')"
              + "|(?<quoted>\"(?:[^\"]|\"\")*\"|`[^`]*`|\\[[^\\]]*\\])"
              + "|(?<number>\\d+(?:\\.\\d*)?(?:[eE][-+]?\\d+)?|\\.\\d+)"
              + "|(?<word>[\\p{L}_][\\p{L}\\p{N}_$]*)"
              + "|(?<sign><=|>=|<>|!=|==|\\|\\||.)",
          Pattern.DOTALL);

  /** What a token is. */
  enum Kind {
    TEXT,
    QUOTED,
    NUMBER,
    WORD,
    SIGN
  }

  /**
   * A token.
   *
   * @param text as written
   */
  record Token(Kind kind, String text) {
    boolean is(String word) {
      return text.equalsIgnoreCase(word);
    }

    /** Without quotes. */
    String content() {
      return switch (kind) {
        case TEXT -> text.substring(1, text.length() - 1).replace("''", "'");
        case QUOTED -> text.substring(1, text.length() - 1).replace("\"\"", "\"");
        case NUMBER, WORD, SIGN -> text;
      };
    }
  }

  private SqlText() {}

  static List<Token> tokens(String sql) {
    List<Token> tokens = new ArrayList<>();
    Matcher matcher = TOKEN.matcher(sql);
    while (matcher.find()) {
      if (matcher.group("space") == null) {
        tokens.add(new Token(kind(matcher), matcher.group()));
      }
    }
    return tokens;
  }

  private static Kind kind(Matcher matcher) {
    if (matcher.group("text") != null) {
      return Kind.TEXT;
    }
    if (matcher.group("quoted") != null) {
      return Kind.QUOTED;
    }
    if (matcher.group("number") != null) {
      return Kind.NUMBER;
    }
    return matcher.group("word") != null ? Kind.WORD : Kind.SIGN;
  }

  /** The statements of a text, each as its tokens, without the semicolons. */
  static List<List<Token>> statements(String sql) {
    List<List<Token>> statements = new ArrayList<>(List.of(new ArrayList<>()));
    for (Token token : tokens(sql)) {
      if (token.text().equals(";")) {
        statements.add(new ArrayList<>());
      } else {
        statements.get(statements.size() - 1).add(token);
      }
    }
    return statements.stream().filter(statement -> !statement.isEmpty()).toList();
  }

  /**
   * The text with one space between tokens, words in lower case, one kind of quotes and of signs:
   * equal for texts that differ in spelling alone.
   */
  static String normalised(String sql) {
    StringBuilder text = new StringBuilder();
    for (List<Token> statement : statements(sql)) {
      for (Token token : statement) {
        text.append(
            switch (token.kind()) {
              case TEXT, QUOTED -> "'" + token.content().replace("'", "''") + "'";
              case WORD, NUMBER -> token.text().toLowerCase(Locale.ROOT);
              case SIGN -> sign(token.text());
            });
        text.append(' ');
      }
    }
    return text.toString().strip();
  }

  private static String sign(String sign) {
    return switch (sign) {
      case "==" -> "=";
      case "<>" -> "!=";
      default -> sign;
    };
  }

  /** Whether the outermost query has an ORDER BY. */
  static boolean isOrdered(String sql) {
    int depth = 0;
    List<Token> tokens = tokens(sql);
    for (int i = 0; i + 1 < tokens.size(); i++) {
      Token token = tokens.get(i);
      depth += token.text().equals("(") ? 1 : token.text().equals(")") ? -1 : 0;
      if (depth == 0 && token.is("order") && tokens.get(i + 1).is("by")) {
        return true;
      }
    }
    return false;
  }
}
