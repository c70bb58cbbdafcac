package org.sparkfinetune.errors;

import java.util.regex.Pattern;

/**
 * What a parser of JSON or YAML, or another library, says about a text, for a message of ours:
 * without its classes, packages and settings, which mean nothing to the writer of the text.
 */
public final class ParserWords {
  private static final Pattern TRAILING = Pattern.compile("^Trailing token \\(.*");
  private static final Pattern OPENED_AT =
      Pattern.compile(" \\((?:for|start marker) [^\\[]*\\[Source: .*\\]\\)");
  private static final Pattern SETTING =
      Pattern.compile(
          ": (?:enable `\\w+Feature\\.\\w+` to allow|not allowed (?:when|as per) `\\w+Feature\\.\\w+`(?: enabled)?)"
              + "| \\(not recognized as one since Feature '\\w+' not enabled for parser\\)"
              + "| for `ObjectNode`"
              + "|; byte offset: #.*");
  private static final Pattern SOURCE =
      Pattern.compile(" at \\[Source: .*; line: (\\d+), column: (\\d+)\\]");
  private static final Pattern PACKAGE =
      Pattern.compile("\\b(?:org\\.sparkfinetune|com\\.fasterxml)(?:\\.[a-z]\\w*)*\\.(?=[A-Z])");

  private ParserWords() {}

  /** The first line; those under it repeat the text, or are stack traces. */
  public static String of(String words) {
    String plain = words.lines().findFirst().orElse("");
    plain = TRAILING.matcher(plain).replaceFirst("More text follows behind the value");
    plain = OPENED_AT.matcher(plain).replaceAll("");
    plain = SETTING.matcher(plain).replaceAll("");
    plain = SOURCE.matcher(plain).replaceAll(" at line $1, column $2");
    return PACKAGE.matcher(plain).replaceAll("");
  }
}
