package org.sparkfinetune.data.template;

import java.util.List;
import java.util.Optional;

/**
 * A conversation as the model reads it.
 *
 * @param contents the characters that come from messages, in the order of the text, not
 *     overlapping; the template wrote all others
 * @param generated the text inside {@code {% generation %}} blocks, if the template has any; may be
 *     an empty list then
 */
public record RenderedConversation(
    String text, List<ContentSpan> contents, Optional<List<Span>> generated) {
  public RenderedConversation {
    contents = List.copyOf(contents);
  }

  /**
   * Characters that come from one message.
   *
   * @param message its index in the conversation, or {@link #NO_MESSAGE}
   * @param copied whether they are a piece of it, or made out of it (escaped, upper case)
   */
  public record ContentSpan(int message, Span span, boolean copied) {
    /** In place of a message's index: the text comes from tools or documents. */
    public static final int NO_MESSAGE = -1;
  }

  /** Characters {@code [from, to)} of a text, counted in UTF-16 units. */
  public record Span(int from, int to) {
    public Span {
      if (from < 0 || to < from) {
        throw new IllegalArgumentException("not a span: [" + from + ", " + to + ")");
      }
    }
  }
}
