package org.sparkfinetune.data.jinja;

import java.math.BigInteger;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.sparkfinetune.data.jinja.TemplateError.Kind;

/**
 * jinja2's lexer with {@code trim_blocks} and {@code lstrip_blocks} on and {@code
 * keep_trailing_newline} off, as transformers sets them.
 */
final class Lexer {
  enum Type {
    DATA,
    PRINT_BEGIN,
    PRINT_END,
    BLOCK_BEGIN,
    BLOCK_END,
    NAME,
    STRING,
    INTEGER,
    FLOAT,
    OPERATOR,
    EOF
  }

  /**
   * @param value a string without quotes and escapes; an operator's or a name's text
   */
  record Token(Type type, String value, int line) {
    boolean isOperator(String operator) {
      return type == Type.OPERATOR && value.equals(operator);
    }

    boolean isName(String name) {
      return type == Type.NAME && value.equals(name);
    }

    /** For messages. */
    String description() {
      return switch (type) {
        case EOF -> "end of template";
        case PRINT_END -> "end of print statement";
        case BLOCK_END -> "end of statement block";
        case DATA -> "template data";
        case PRINT_BEGIN -> "begin of print statement";
        case BLOCK_BEGIN -> "begin of statement block";
        case NAME, STRING, INTEGER, FLOAT, OPERATOR -> "'" + value + "'";
      };
    }
  }

  private static final int FLAGS = Pattern.DOTALL | Pattern.UNICODE_CHARACTER_CLASS;

  /** Python's \s: Java's lacks the separators 28 to 31. */
  private static final String SPACE = "[\\s\\x1c-\\x1f]";

  private static final Pattern BEGIN =
      Pattern.compile(
          "(?<raw>\\{%(?<rawsign>[-+]?)S*rawS*(?:-%}S*|%}))|(?<tag>\\{[{%#])(?<sign>[-+]?)"
              .replace("S", SPACE),
          FLAGS);
  private static final Pattern RAW_END =
      Pattern.compile("\\{%([-+]?)S*endrawS*(?:\\+%}|-%}S*|%}\\n?)".replace("S", SPACE), FLAGS);
  private static final Pattern COMMENT_END =
      Pattern.compile("\\+#}|-#}S*|#}\\n?".replace("S", SPACE), FLAGS);
  private static final Pattern BLOCK_END =
      Pattern.compile("\\+%}|-%}S*|%}\\n?".replace("S", SPACE), FLAGS);
  private static final Pattern PRINT_END = Pattern.compile("-}}S*|}}".replace("S", SPACE), FLAGS);
  private static final Pattern TOKEN =
      Pattern.compile(
          ("(?<space>S+)"
                  + "|(?<float>(?<!\\.)(?:\\d+_)*+\\d+(?:(?:\\.(?:\\d+_)*+\\d+)?[eE][+\\-]?(?:\\d+_)*+\\d+|\\.(?:\\d+_)*+\\d+))"
                  + "|(?<int>0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\\da-fA-F])+|[1-9](?:_?\\d)*|0(?:_?0)*)"
                  + "|(?<name>\\w+)"
                  + "|'(?<single>(?:[^'\\\\]|\\\\.)*+)'|\"(?<double>(?:[^\"\\\\]|\\\\.)*+)\""
                  + "|(?<operator>//|\\*\\*|==|!=|>=|<=|[-+/*%~\\[\\](){}<>=.:|,;])")
              .replace("S", SPACE),
          FLAGS);

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int at = 0;
  private int line = 1;
  private int counted = 0;
  private boolean lineStarting = true;

  private Lexer(String source) {
    this.source = source;
  }

  static List<Token> tokens(String source) {
    String lines = source.replace("\r\n", "\n").replace('\r', '\n');
    String body = lines.endsWith("\n") ? lines.substring(0, lines.length() - 1) : lines;
    return new Lexer(body).run();
  }

  private List<Token> run() {
    Matcher begin = BEGIN.matcher(source);
    while (at < source.length() && begin.find(at)) {
      boolean raw = begin.group("raw") != null;
      String sign = raw ? begin.group("rawsign") : begin.group("sign");
      String tag = raw ? "{%" : begin.group("tag");
      data(begin.start(), sign, !tag.equals("{{"));
      moveTo(begin.end());
      if (raw) {
        raw();
      } else if (tag.equals("{#")) {
        moveTo(end(COMMENT_END, "Missing end of comment tag"));
      } else if (tag.equals("{{")) {
        inside(Type.PRINT_BEGIN, Type.PRINT_END, PRINT_END);
      } else {
        inside(Type.BLOCK_BEGIN, Type.BLOCK_END, BLOCK_END);
      }
    }
    data(source.length(), "+", false);
    add(Type.EOF, "");
    return tokens;
  }

  /** Adds the text before a tag, without the white space that the tag takes away. */
  private void data(int to, String sign, boolean block) {
    String text = source.substring(at, to);
    String kept = text;
    if (sign.equals("-")) {
      kept = Text.of(text).strip(false, true, Text::isSpace).toString();
    } else if (block && sign.isEmpty()) {
      int start = text.lastIndexOf('\n') + 1;
      boolean blank = text.substring(start).codePoints().allMatch(Text::isSpace);
      if ((start > 0 || lineStarting) && blank) {
        kept = text.substring(0, start);
      }
    }
    if (!kept.isEmpty()) {
      add(Type.DATA, kept);
    }
    at = to;
    countLines();
  }

  private void raw() {
    Matcher end = RAW_END.matcher(source);
    if (!end.find(at)) {
      throw error("Missing end of raw directive");
    }
    data(end.start(), end.group(1), true);
    moveTo(end.end());
  }

  private int end(Pattern pattern, String missing) {
    Matcher matcher = pattern.matcher(source);
    if (!matcher.find(at)) {
      throw error(missing);
    }
    return matcher.end();
  }

  private void moveTo(int position) {
    lineStarting = position > at && source.charAt(position - 1) == '\n';
    at = position;
    countLines();
  }

  private void countLines() {
    for (; counted < at; counted++) {
      line += source.charAt(counted) == '\n' ? 1 : 0;
    }
  }

  private void inside(Type begin, Type end, Pattern endPattern) {
    add(begin, "");
    Deque<String> open = new ArrayDeque<>();
    Matcher endMatcher = endPattern.matcher(source);
    Matcher token = TOKEN.matcher(source);
    while (at < source.length()) {
      if (open.isEmpty() && endMatcher.region(at, source.length()).lookingAt()) {
        add(end, "");
        moveTo(endMatcher.end());
        return;
      }
      token.useTransparentBounds(true).region(at, source.length());
      if (!token.lookingAt()) {
        int c = source.codePointAt(at);
        throw error("unexpected char " + Printing.repr(Text.of(Character.toString(c))));
      }
      if (token.group("operator") != null) {
        balance(open, token.group("operator"));
      }
      addToken(token);
      moveTo(token.end());
    }
  }

  private void balance(Deque<String> open, String operator) {
    switch (operator) {
      case "(" -> open.push(")");
      case "[" -> open.push("]");
      case "{" -> open.push("}");
      case ")", "]", "}" -> {
        if (open.isEmpty()) {
          throw error("unexpected '" + operator + "'");
        }
        String expected = open.pop();
        if (!expected.equals(operator)) {
          throw error("unexpected '" + operator + "', expected '" + expected + "'");
        }
      }
      default -> {}
    }
  }

  private void addToken(Matcher token) {
    if (token.group("float") != null) {
      add(Type.FLOAT, token.group("float").replace("_", ""));
    } else if (token.group("int") != null) {
      add(Type.INTEGER, token.group("int").replace("_", ""));
    } else if (token.group("name") != null) {
      add(Type.NAME, name(token.group("name")));
    } else if (token.group("single") != null) {
      add(Type.STRING, unescape(token.group("single")));
    } else if (token.group("double") != null) {
      add(Type.STRING, unescape(token.group("double")));
    } else if (token.group("operator") != null) {
      add(Type.OPERATOR, token.group("operator"));
    }
  }

  private String name(String name) {
    if (Character.isDigit(name.codePointAt(0))) {
      throw error("Invalid character in identifier");
    }
    return name.intern();
  }

  private void add(Type type, String value) {
    tokens.add(new Token(type, value, line));
  }

  private TemplateError error(String message) {
    return new TemplateError(Kind.SYNTAX, message, line);
  }

  static Object integer(String text) {
    String lower = text.toLowerCase(java.util.Locale.ROOT);
    int radix =
        lower.startsWith("0x") ? 16 : lower.startsWith("0o") ? 8 : lower.startsWith("0b") ? 2 : 10;
    return Numbers.normal(new BigInteger(radix == 10 ? lower : lower.substring(2), radix));
  }

  /** Python's escapes. What is none stays as it is, backslash included. */
  private String unescape(String text) {
    if (text.indexOf('\\') < 0) {
      return text;
    }
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '\\') {
        i = escape(text, i + 1, out);
      } else {
        out.append(c);
      }
    }
    return out.toString();
  }

  /** Writes the escape at an index and returns the index of its last character. */
  private int escape(String text, int i, StringBuilder out) {
    char c = text.charAt(i);
    String simple = "\\'\"abfnrtv";
    int known = simple.indexOf(c);
    if (known >= 0) {
      out.append("\\'\"\u0007\b\f\n\r\t\u000b".charAt(known));
      return i;
    }
    if (c >= '0' && c <= '7') {
      int end = i;
      while (end < text.length()
          && end < i + 3
          && text.charAt(end) >= '0'
          && text.charAt(end) <= '7') {
        end++;
      }
      out.appendCodePoint(Integer.parseInt(text.substring(i, end), 8));
      return end - 1;
    }
    switch (c) {
      case '\n' -> {
        return i;
      }
      case 'x' -> {
        return hex(text, i + 1, 2, out);
      }
      case 'u' -> {
        return hex(text, i + 1, 4, out);
      }
      case 'U' -> {
        return hex(text, i + 1, 8, out);
      }
      case 'N' -> {
        return named(text, i + 1, out);
      }
      default -> {
        // Python spells characters beyond ASCII as escapes first; the backslash then takes that
        // escape's own backslash.
        int point = text.codePointAt(i);
        out.append('\\');
        if (point < 128) {
          out.append(c);
          return i;
        }
        String width = point < 256 ? "x%02x" : point < 65536 ? "u%04x" : "U%08x";
        out.append(String.format(java.util.Locale.ROOT, width, point));
        return i + Character.charCount(point) - 1;
      }
    }
  }

  private int hex(String text, int from, int digits, StringBuilder out) {
    int to = from + digits;
    try {
      out.appendCodePoint(Integer.parseUnsignedInt(text.substring(from, to), 16));
    } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
      throw error("invalid escape of " + digits + " hexadecimal digits in a string");
    }
    return to - 1;
  }

  private int named(String text, int from, StringBuilder out) {
    int to = text.indexOf('}', from);
    try {
      out.appendCodePoint(Character.codePointOf(text.substring(from + 1, to)));
    } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
      throw error("unknown Unicode character name in a string");
    }
    return to;
  }
}
