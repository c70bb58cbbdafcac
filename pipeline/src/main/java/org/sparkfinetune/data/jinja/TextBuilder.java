package org.sparkfinetune.data.jinja;

import java.util.Arrays;

/** Joins texts and keeps the runs of each; also the output of a template. */
final class TextBuilder {
  /** Longer than any context: a template that writes more is broken or hostile. */
  static final int MAX_LENGTH = 1 << 27;

  private final StringBuilder value = new StringBuilder();
  private int[] runs = {};
  private int size = 0;
  private String notText = "";

  TextBuilder append(String text) {
    checkLength(text.length());
    value.append(text);
    return this;
  }

  TextBuilder append(char c) {
    value.append(c);
    return this;
  }

  TextBuilder append(Text text) {
    int at = value.length();
    append(text.toString());
    int[] more = text.runs();
    for (int i = 0; i < more.length; i += Text.RUN) {
      add(at + more[i], at + more[i + 1], more[i + 2], more[i + 3]);
    }
    return this;
  }

  /**
   * Writes what a filter or call block gave. jinja2 joins such pieces at the end of the block and
   * fails there if one is no string.
   */
  void appendPiece(Object piece) {
    if (piece instanceof Text text) {
      append(text);
    } else if (notText.isEmpty()) {
      notText = Values.typeName(piece);
    }
  }

  /** Marks what is written meanwhile as generated; a block of its own, as far as pieces go. */
  void generated(Runnable block) {
    int from = value.length();
    String before = notText;
    notText = "";
    block.run();
    checkText();
    notText = before;
    if (from < value.length()) {
      add(from, value.length(), Text.GENERATED, Text.CHANGED);
    }
  }

  private void checkText() {
    if (!notText.isEmpty()) {
      throw TemplateError.type("expected str instance, " + notText + " found");
    }
  }

  private void add(int from, int to, int source, int offset) {
    int last = size - Text.RUN;
    boolean goesOn =
        last >= 0
            && runs[last + 1] == from
            && runs[last + 2] == source
            && source != Text.GENERATED
            && (offset == Text.CHANGED
                ? runs[last + 3] == Text.CHANGED
                : runs[last + 3] != Text.CHANGED
                    && runs[last + 3] + runs[last + 1] - runs[last] == offset);
    if (goesOn) {
      runs[last + 1] = to;
      return;
    }
    if (size == runs.length) {
      runs = Arrays.copyOf(runs, Math.max(16, 2 * size));
    }
    runs[size] = from;
    runs[size + 1] = to;
    runs[size + 2] = source;
    runs[size + 3] = offset;
    size += Text.RUN;
  }

  private void checkLength(int more) {
    checkLength((long) value.length() + more);
  }

  static void checkLength(long length) {
    if (length > MAX_LENGTH) {
      throw new TemplateError(
          TemplateError.Kind.LIMIT, "a text of more than " + MAX_LENGTH + " characters");
    }
  }

  int length() {
    return value.length();
  }

  Text toText() {
    checkText();
    return new Text(value.toString(), Arrays.copyOf(runs, size), false);
  }
}
