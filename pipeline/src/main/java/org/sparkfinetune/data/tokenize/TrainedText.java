package org.sparkfinetune.data.tokenize;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.template.RenderedConversation;
import org.sparkfinetune.data.template.RenderedConversation.ContentSpan;
import org.sparkfinetune.data.template.RenderedConversation.Span;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.data.tokenize.SpecialTokenFinder.Match;
import org.sparkfinetune.errors.UserError;

/**
 * The characters of a rendered conversation that are trained. The assistant's turns are what the
 * template's own {@code {% generation %}} blocks hold. Without them a turn begins behind the words
 * that the template writes where the assistant is to speak, since a model sees these before it
 * answers, and goes on to the end of the next special token, for a model that never learns that
 * token never stops. Turns of weight 0 are left out, whatever else is trained.
 */
final class TrainedText {
  private final ChatTemplate template;
  private final LossTarget target;

  /** What the template writes before an answer; may be empty. */
  private final String header;

  TrainedText(ChatTemplate template, LossTarget target, String header) {
    this.template = template;
    this.target = target;
    this.header = header;
  }

  /**
   * Whether each character is trained.
   *
   * @param special the special tokens that the template wrote, in the order of the text
   */
  boolean[] of(Conversation conversation, RenderedConversation rendered, List<Match> special) {
    boolean[] trained = new boolean[rendered.text().length()];
    List<Message> messages = conversation.messages();
    boolean weighted = messages.stream().anyMatch(m -> m.extras().untrained());
    if (target == LossTarget.EVERY_TOKEN) {
      Arrays.fill(trained, true);
      if (weighted) {
        fill(trained, turns(conversation, rendered, special), messages, false);
        rendered.contents().stream()
            .filter(c -> c.message() >= 0 && messages.get(c.message()).extras().untrained())
            .forEach(c -> Arrays.fill(trained, c.span().from(), c.span().to(), false));
      }
      return trained;
    }
    if (rendered.generated().isPresent()) {
      for (Span span : rendered.generated().get()) {
        boolean learns = !weighted || learns(span, rendered.contents(), messages);
        Arrays.fill(trained, span.from(), span.to(), learns);
      }
      return trained;
    }
    fill(trained, turns(conversation, rendered, special), messages, true);
    return trained;
  }

  private static void fill(
      boolean[] trained, List<Turn> turns, List<Message> messages, boolean value) {
    for (Turn turn : turns) {
      if (messages.get(turn.message()).extras().untrained() != value) {
        Arrays.fill(trained, turn.span().from(), turn.span().to(), value);
      }
    }
  }

  /** A block belongs to the messages that it holds contents of. */
  private boolean learns(Span block, List<ContentSpan> contents, List<Message> messages) {
    List<Boolean> weights =
        contents.stream()
            .filter(c -> c.message() >= 0)
            .filter(c -> c.span().from() < block.to() && block.from() < c.span().to())
            .map(c -> !messages.get(c.message()).extras().untrained())
            .distinct()
            .toList();
    if (weights.size() > 1) {
      throw new UserError(
          "weight: the chat template '%s' marks messages of weight 0 and of weight 1 in one {%% generation %%} block. Give each message a block of its own, or remove the weights."
              .formatted(template.name()));
    }
    return weights.isEmpty() || weights.get(0);
  }

  /** The assistant's turns, by the contents and by what the template writes around them. */
  private List<Turn> turns(
      Conversation conversation, RenderedConversation rendered, List<Match> special) {
    List<Turn> contents = joined(rendered.contents());
    String text = rendered.text();
    List<Turn> turns = new ArrayList<>();
    int before = 0;
    int next = 0;
    for (int i = 0; i < conversation.messages().size(); i++) {
      boolean assistant = conversation.messages().get(i).role() == Role.ASSISTANT;
      boolean written = false;
      while (next < contents.size() && contents.get(next).message() <= i) {
        Turn content = contents.get(next++);
        if (assistant && content.message() == i) {
          int limit = beginOf(contents, next, text);
          int to = content.span().to();
          int from = begin(text, before, content.span().from());
          turns.add(new Turn(i, new Span(from, endOfTurn(to, limit, special, to))));
        }
        written |= content.message() == i;
        before = content.span().to();
      }
      if (assistant && !written) {
        checkLeftOut(conversation, i, rendered.contents());
        int at = header.isEmpty() ? -1 : text.indexOf(header, before);
        int limit = beginOf(contents, next, text);
        if (at >= 0 && at + header.length() <= limit) {
          before = at + header.length();
          turns.add(new Turn(i, new Span(before, endOfTurn(before, limit, special, before))));
        }
      }
    }
    return turns;
  }

  /** Neighbouring spans of one message, with what the template wrote between them. */
  private record Turn(int message, Span span) {}

  private static List<Turn> joined(List<ContentSpan> contents) {
    List<Turn> joined = new ArrayList<>();
    for (ContentSpan content : contents) {
      int last = joined.size() - 1;
      if (last >= 0 && joined.get(last).message() == content.message()) {
        int from = joined.get(last).span().from();
        joined.set(last, new Turn(content.message(), new Span(from, content.span().to())));
      } else {
        joined.add(new Turn(content.message(), content.span()));
      }
    }
    return joined;
  }

  private static int beginOf(List<Turn> contents, int next, String text) {
    return next < contents.size() ? contents.get(next).span().from() : text.length();
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
