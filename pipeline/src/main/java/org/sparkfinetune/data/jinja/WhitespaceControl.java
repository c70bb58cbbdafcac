package org.sparkfinetune.data.jinja;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Takes the white space out of a template that Jinja would leave out of the output: {@code -} at
 * either end of any tag, {@code +}, {@code trim_blocks}, {@code lstrip_blocks}; and the comments.
 * Hand-written because jinjava passes over {@code -} in <code>{{- … -}}</code> and in comments
 * without a word, and most templates of models depend on it.
 *
 * <p>Line numbers stay: newlines taken out come back inside comments.
 */
final class WhitespaceControl {
  private static final String QUOTED =
      "(?:'(?:[^'\\\\]|\\\\.)*+'|\"(?:[^\"\\\\]|\\\\.)*+\"|[^'\"])*?";

  static final Pattern TAG =
      Pattern.compile(
          "\\{#(?<commentLeft>[-+]?).*?(?<commentRight>[-+]?)#}"
              + "|(?<raw>\\{%[-+]?\\s*raw\\s*[-+]?%}.*?\\{%[-+]?\\s*endraw\\s*[-+]?%})"
              + "|\\{\\{(?<printLeft>[-+]?)(?<print>%s)(?<printRight>[-+]?)}}".formatted(QUOTED)
              + "|\\{%%(?<blockLeft>[-+]?)(?<block>%s)(?<blockRight>[-+]?)%%}".formatted(QUOTED),
          Pattern.DOTALL);

  private final String source;
  private final StringBuilder out = new StringBuilder();
  private int at = 0;

  private WhitespaceControl(String source) {
    this.source = source;
  }

  static String apply(String source) {
    return new WhitespaceControl(source).run();
  }

  private String run() {
    Matcher tag = TAG.matcher(source);
    while (tag.find()) {
      if (tag.group("print") != null) {
        text(tag.start(), tag.group("printLeft"), false);
        out.append("{{").append(JinjavaDialect.rewrite(tag.group("print"))).append("}}");
        skip(tag.end(), tag.group("printRight"), false);
      } else if (tag.group("block") != null) {
        text(tag.start(), tag.group("blockLeft"), true);
        out.append("{%").append(JinjavaDialect.rewrite(tag.group("block"))).append("%}");
        skip(tag.end(), tag.group("blockRight"), true);
      } else if (tag.group("raw") != null) {
        text(tag.start(), "", true);
        out.append(tag.group());
        skip(tag.end(), "", true);
      } else {
        text(tag.start(), tag.group("commentLeft"), true);
        keepLines(tag.group());
        skip(tag.end(), tag.group("commentRight"), true);
      }
    }
    return out.append(source, at, source.length()).toString();
  }

  /** Writes the text before a tag, without the white space that the tag takes away. */
  private void text(int to, String sign, boolean block) {
    int end = to;
    if (sign.equals("-")) {
      while (end > at && PythonStrings.isSpace(source.charAt(end - 1))) {
        end--;
      }
    } else if (block && sign.isEmpty()) {
      end = indentation(to);
    }
    out.append(source, at, end);
    keepLines(source.substring(end, to));
    at = to;
  }

  /** Where the line's indentation begins if nothing else precedes the tag on its line. */
  private int indentation(int to) {
    int lineStart = source.lastIndexOf('\n', to - 1) + 1;
    for (int i = lineStart; i < to; i++) {
      if (!PythonStrings.isSpace(source.charAt(i))) {
        return to;
      }
    }
    return Math.max(lineStart, at);
  }

  private void skip(int from, String sign, boolean block) {
    at = from;
    if (sign.equals("-")) {
      while (at < source.length() && PythonStrings.isSpace(source.charAt(at))) {
        at++;
      }
    } else if (block && sign.isEmpty() && source.startsWith("\n", at)) {
      at++;
    }
    keepLines(source.substring(from, at));
  }

  private void keepLines(String removed) {
    long lines = removed.chars().filter(c -> c == '\n').count();
    if (lines > 0) {
      out.append("{#").append("\n".repeat((int) lines)).append("#}");
    }
  }
}
