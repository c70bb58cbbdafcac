package org.sparkfinetune.data.jinja;

import java.util.List;
import java.util.Optional;
import org.sparkfinetune.data.conversation.Conversation.Role;

/**
 * A conversation as the model reads it.
 *
 * @param origin which characters are content
 * @param generated the text inside {@code {% generation %}} blocks, if the template has any; may be
 *     an empty list then
 */
public record RenderedConversation(String text, Origin origin, Optional<List<Span>> generated) {

  /**
   * Characters that belong to one message.
   *
   * @param message its index in the conversation
   */
  public record MessageSpan(int message, Role role, Span span) {}

  /** Where the characters of a rendered conversation come from. */
  public sealed interface Origin {

    /**
     * Every character is known: inside one of the spans it was copied from that message's content,
     * outside the template wrote it.
     *
     * @param contents in the order of the text, not overlapping
     */
    record Traced(List<MessageSpan> contents) implements Origin {
      public Traced {
        contents = List.copyOf(contents);
      }
    }

    /**
     * The template changes contents on their way (cuts reasoning out, escapes), so single
     * characters cannot be traced.
     *
     * @param assistantTurns from behind the assistant's header to the end of the turn; empty where
     *     the template writes a conversation's beginning differently once more messages follow
     */
    record Untraced(Optional<List<MessageSpan>> assistantTurns) implements Origin {}
  }

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
}
