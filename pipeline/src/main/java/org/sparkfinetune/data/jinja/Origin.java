package org.sparkfinetune.data.jinja;

import java.util.List;
import java.util.Optional;

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
   * The template changes contents on their way (cuts reasoning out, escapes), so single characters
   * cannot be traced.
   *
   * @param assistantTurns from behind the assistant's header to the end of the turn; empty where
   *     the template writes a conversation's beginning differently once more messages follow
   */
  record Untraced(Optional<List<MessageSpan>> assistantTurns) implements Origin {}
}
