package org.sparkfinetune.model.peft;

import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.sparkfinetune.errors.UserError;

/**
 * A regular expression over module names, of Python's {@code re} as PEFT uses it. Java's and
 * Python's expressions agree on names, which are ASCII on one line, but for what is refused here:
 *
 * <ul>
 *   <li>escapes with a letter other than d D w W s S b B A Z: the others are known to one of the
 *       two only ({@code \p}, {@code \Q}, {@code \h}), or mean two things ({@code \v});
 *   <li>{@code [} and {@code &&} inside a class, which Java takes for unions and intersections, and
 *       {@code ]} as its first character;
 *   <li>groups other than {@code (…)}, {@code (?:…)}, {@code (?i)} in front, {@code (?=…)}, {@code
 *       (?!…)}, {@code (?<=…)}, {@code (?<!…)}: names and conditions are spelled differently;
 *   <li>a brace that is no {@code {m}}, {@code {m,}} or {@code {m,n}}: Python takes it literally,
 *       or {@code {,n}} for a count.
 * </ul>
 */
final class ModulePattern {
  private static final String SAME_ESCAPES = "dDwWsSbBAZ";
  private static final Pattern COUNT = Pattern.compile("\\{\\d+(,\\d*)?\\}.*", Pattern.DOTALL);
  private static final Pattern GROUP = Pattern.compile("\\(\\?(:|=|!|<=|<!).*", Pattern.DOTALL);

  private final String text;

  private ModulePattern(String text) {
    this.text = text;
  }

  /**
   * The expression, to be matched against a whole name as Python's {@code re.fullmatch} does.
   *
   * @param key names the setting in messages
   * @throws UserError if Python and Java would not read it alike
   */
  static Pattern compile(String key, String text) {
    return compile(key, text, text);
  }

  /**
   * The expression of {@code rank_pattern} and {@code alpha_pattern}, which is matched against the
   * last parts of a name: {@code re.match(r"(.*\.)?(KEY)$", name)}.
   */
  static Pattern compileLastParts(String key, String text) {
    return compile(key, text, "(?:.*\\.)?(?:" + text + ")");
  }

  private static Pattern compile(String key, String text, String whole) {
    try {
      new ModulePattern(text).requireCommon();
      return Pattern.compile(whole);
    } catch (PatternSyntaxException e) {
      throw new UserError(
          "%s: '%s' is no regular expression that Python and Java read alike: %s near position %s. Write it another way."
              .formatted(key, text, e.getDescription(), e.getIndex()),
          e);
    }
  }

  private void requireCommon() {
    int classFrom = -1;
    for (int i = text.startsWith("(?i)") ? "(?i)".length() : 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '\\') {
        i++;
        char escaped = i < text.length() ? text.charAt(i) : 'Q';
        require(
            !isLetter(escaped) || SAME_ESCAPES.indexOf(escaped) >= 0, "the escape \\" + escaped, i);
        require(escaped != '0', "the escape \\0", i);
      } else if (classFrom >= 0) {
        require(c != '[' && !text.startsWith("&&", i), "'" + c + "' inside a class", i);
        require(c != ']' || !isEmptyClass(classFrom, i), "']' as a class's first character", i);
        classFrom = c == ']' ? -1 : classFrom;
      } else if (c == '[') {
        classFrom = i;
      } else if (c == '{') {
        require(COUNT.matcher(text.substring(i)).matches(), "a brace that is no count", i);
      } else if (text.startsWith("(?", i)) {
        require(GROUP.matcher(text.substring(i)).matches(), "a group of this kind", i);
      }
    }
  }

  private boolean isEmptyClass(int from, int at) {
    return at == from + 1 || (at == from + 2 && text.charAt(from + 1) == '^');
  }

  private static boolean isLetter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }

  private void require(boolean common, String what, int at) {
    if (!common) {
      throw new PatternSyntaxException(what, text, at);
    }
  }
}
