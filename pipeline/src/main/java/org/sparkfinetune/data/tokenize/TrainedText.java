package org.sparkfinetune.data.tokenize;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.template.RenderedConversation;
import org.sparkfinetune.data.template.RenderedConversation.ContentSpan;
import org.sparkfinetune.data.template.RenderedConversation.Span;
import org.sparkfinetune.data.tokenize.SpecialTokenFinder.Match;
import org.sparkfinetune.errors.UserError;

/**
 * The characters of a rendered conversation that the assistant says. A template's own {@code {%
 * generation %}} blocks decide. Without them a turn begins behind the words that the template
 * writes where the assistant is to speak, since a model sees these before it answers, and goes on
 * to the end of the next special token, for a model that never learns that token never stops.
 */
final class TrainedText {
  private final ChatTemplate template;

  /** What the template writes before an answer; may be empty. */
  private final String header;

  TrainedText(ChatTemplate template, String header) {
    this.template = template;
    this.header = header;
  }

  /**
   * @param special the special tokens that the template wrote, in the order of the text
   */
  List<Span> of(Conversation conversation, RenderedConversation rendered, List<Match> special) {
    if (rendered.generated().isPresent()) {
      return rendered.generated().get();
    }
    List<Turn> turns = turns(rendered.contents());
    List<Span> trained = new ArrayList<>();
    int before = 0;
    int next = 0;
    for (int i = 0; i < conversation.messages().size(); i++) {
      boolean assistant = conversation.messages().get(i).role() == Role.ASSISTANT;
      boolean written = false;
      while (next < turns.size() && turns.get(next).message() <= i) {
        Turn turn = turns.get(next++);
        if (assistant && turn.message() == i) {
          int limit =
              next < turns.size() ? turns.get(next).span().from() : rendered.text().length();
          int end = endOfTurn(turn.span().to(), limit, special, turn.span().to());
          trained.add(new Span(begin(rendered.text(), before, turn.span().from()), end));
        }
        written |= turn.message() == i;
        before = turn.span().to();
      }
      if (assistant && !written) {
        checkLeftOut(conversation, i, rendered.contents());
        int limit = next < turns.size() ? turns.get(next).span().from() : rendered.text().length();
        int at = header.isEmpty() ? -1 : rendered.text().indexOf(header, before);
        if (at >= 0 && at + header.length() <= limit) {
          int from = at + header.length();
          trained.add(new Span(from, endOfTurn(from, limit, special, from)));
          before = from;
        }
      }
    }
    return trained;
  }

  /** Neighbouring spans of one message, with what the template wrote between them. */
  private record Turn(int message, Span span) {}

  private static List<Turn> turns(List<ContentSpan> contents) {
    List<Turn> turns = new ArrayList<>();
    for (ContentSpan content : contents) {
      int last = turns.size() - 1;
      if (last >= 0 && turns.get(last).message() == content.message()) {
        int from = turns.get(last).span().from();
        turns.set(last, new Turn(content.message(), new Span(from, content.span().to())));
      } else {
        turns.add(new Turn(content.message(), content.span()));
      }
    }
    return turns;
  }

  /** Behind the header, if there is more than space between it and the content. */
  private int begin(String text, int before, int content) {
    int at = header.isEmpty() ? -1 : text.lastIndexOf(header, content - header.length());
    int end = at + header.length();
    return at >= before && !text.substring(end, content).isBlank() ? end : content;
  }

  private static int endOfTurn(int from, int limit, List<Match> special, int otherwise) {
    for (Match match : special) {
      if (match.span().from() >= from && match.span().to() <= limit) {
        return match.span().to();
      }
    }
    return otherwise;
  }

  /** A template may leave an answer out; it may not hide it in the text of another message. */
  private void checkLeftOut(Conversation conversation, int message, List<ContentSpan> contents) {
    boolean mixed = contents.stream().anyMatch(c -> !c.copied() && c.message() != message);
    if (mixed && !conversation.messages().get(message).content().isBlank()) {
      throw new UserError(
          "assistant_only_loss: which part of the text is the assistant's cannot be told with the chat template '%s', since it rewrites messages. Mark that part in the template by {%% generation %%} … {%% endgeneration %%}, or set assistant_only_loss: false."
              .formatted(template.name()));
    }
  }
}
