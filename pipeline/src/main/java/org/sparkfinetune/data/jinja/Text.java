package org.sparkfinetune.data.jinja;

import java.util.Arrays;
import java.util.function.IntPredicate;

/**
 * A Python string that knows where its characters come from. Whatever cuts, joins or prints it
 * keeps the runs of characters that were copied from a traced text, so that content never passes
 * for the template's own words.
 *
 * <p>A run is four numbers: from, to (UTF-16 units of this text), source, offset in the source.
 * Offset {@link #CHANGED}: made out of that source, but not a copy. Source {@link #GENERATED}:
 * inside <code>{% generation %}</code>.
 */
public final class Text {
  static final int RUN = 4;
  static final int CHANGED = -1;
  static final int GENERATED = -1;
  static final Text EMPTY = new Text("", new int[0], false);

  private static final int[] NO_RUNS = {};

  private final String value;
  private final int[] runs;
  private final boolean markup;
  private int codePoints = -1;

  Text(String value, int[] runs, boolean markup) {
    this.value = value;
    this.runs = runs;
    this.markup = markup;
  }

  static Text of(String value) {
    return new Text(value, NO_RUNS, false);
  }

  /**
   * A variable's text whose way into the rendered text is to be known.
   *
   * @param source a number of the caller's, 0 or more
   */
  public static Text traced(String value, int source) {
    if (source < 0) {
      throw new IllegalArgumentException("source " + source + " is negative");
    }
    int[] runs = value.isEmpty() ? NO_RUNS : new int[] {0, value.length(), source, 0};
    return new Text(value, runs, false);
  }

  /** Whether the UTF-16 units [from, to) are white space for Python's {@code strip}. */
  public static boolean isBlank(String text, int from, int to) {
    for (int i = from; i < to; i++) {
      if (!isSpace(text.charAt(i))) {
        return false;
      }
    }
    return true;
  }

  int[] runs() {
    return runs;
  }

  boolean isMarkup() {
    return markup;
  }

  Text asMarkup() {
    return new Text(value, runs, true);
  }

  Text asPlain() {
    return markup ? new Text(value, runs, false) : this;
  }

  boolean isEmpty() {
    return value.isEmpty();
  }

  /** Code points, as Python counts. */
  int length() {
    if (codePoints < 0) {
      codePoints = value.codePointCount(0, value.length());
    }
    return codePoints;
  }

  /** UTF-16 index of a code point. */
  int unit(int codePoint) {
    return length() == value.length() ? codePoint : value.offsetByCodePoints(0, codePoint);
  }

  /** The code points [from, to). */
  Text slice(int from, int to) {
    return cut(unit(from), unit(to));
  }

  /** The UTF-16 units [from, to). */
  Text cut(int from, int to) {
    if (from == 0 && to == value.length()) {
      return this;
    }
    if (from >= to) {
      return markup ? EMPTY.asMarkup() : EMPTY;
    }
    int[] kept = runs.length == 0 ? NO_RUNS : new int[runs.length];
    int size = 0;
    for (int i = 0; i < runs.length; i += RUN) {
      int start = Math.max(runs[i], from);
      int end = Math.min(runs[i + 1], to);
      if (start < end) {
        kept[size] = start - from;
        kept[size + 1] = end - from;
        kept[size + 2] = runs[i + 2];
        kept[size + 3] = runs[i + 3] == CHANGED ? CHANGED : runs[i + 3] + start - runs[i];
        size += RUN;
      }
    }
    return new Text(value.substring(from, to), Arrays.copyOf(kept, size), markup);
  }

  /** Another spelling of this text: wholly made out of its sources. */
  Text changed(String newValue) {
    if (newValue.equals(value)) {
      return this;
    }
    for (int i = 0; i < runs.length; i += RUN) {
      if (runs[i + 2] != GENERATED && !newValue.isEmpty()) {
        return new Text(newValue, new int[] {0, newValue.length(), runs[i + 2], CHANGED}, markup);
      }
    }
    return new Text(newValue, NO_RUNS, markup);
  }

  /** Without the code points at both ends that match. */
  Text strip(boolean left, boolean right, IntPredicate drops) {
    int from = 0;
    int to = value.length();
    while (left && from < to && drops.test(value.codePointAt(from))) {
      from += Character.charCount(value.codePointAt(from));
    }
    while (right && to > from && drops.test(value.codePointBefore(to))) {
      to -= Character.charCount(value.codePointBefore(to));
    }
    return cut(from, to);
  }

  /** {@code str.isspace()} of a code point. */
  static boolean isSpace(int c) {
    return (c >= 9 && c <= 13)
        || (c >= 28 && c <= 32)
        || (c > 127
            && (c == 0x85
                || Character.getType(c) == Character.SPACE_SEPARATOR
                || c == 0x2028
                || c == 0x2029));
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Text text && text.value.equals(value);
  }

  @Override
  public int hashCode() {
    return value.hashCode();
  }

  @Override
  public String toString() {
    return value;
  }
}
