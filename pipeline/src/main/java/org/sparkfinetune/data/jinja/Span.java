package org.sparkfinetune.data.jinja;

/** Characters {@code [from, to)} of a text, counted in UTF-16 units. */
public record Span(int from, int to) {
  public Span {
    if (from < 0 || to < from) {
      throw new IllegalArgumentException("not a span: [" + from + ", " + to + ")");
    }
  }

  public boolean isEmpty() {
    return from == to;
  }
}
