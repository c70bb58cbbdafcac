package org.sparkfinetune.data.tokenize;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.jinja.ChatTemplate;
import org.sparkfinetune.data.jinja.RenderedConversation;
import org.sparkfinetune.data.jinja.RenderedConversation.MessageSpan;
import org.sparkfinetune.data.jinja.RenderedConversation.Origin;
import org.sparkfinetune.data.jinja.RenderedConversation.Span;
import org.sparkfinetune.data.tokenize.SpecialTokenFinder.Match;
import org.sparkfinetune.errors.UserError;

/**
 * The characters of a rendered conversation that the assistant says. A template's own {@code {%
 * generation %}} blocks decide; without them a turn is its content and what follows up to the end
 * of the next special token, for a model that never learns that token never stops.
 */
final class TrainedText {
  private TrainedText() {}

  static List<Span> of(ChatTemplate template, RenderedConversation rendered, List<Match> special) {
    if (rendered.generated().isPresent()) {
      return rendered.generated().get();
    }
    if (rendered.origin() instanceof Origin.Untraced untraced) {
      return turns(template, untraced, special);
    }
    return contents(((Origin.Traced) rendered.origin()).contents(), special);
  }

  private static List<Span> contents(List<MessageSpan> contents, List<Match> special) {
    List<Span> spans = new ArrayList<>();
    for (int i = 0; i < contents.size(); i++) {
      MessageSpan content = contents.get(i);
      if (content.role() == Role.ASSISTANT) {
        boolean last = i + 1 == contents.size();
        int limit = last ? Integer.MAX_VALUE : contents.get(i + 1).span().from();
        int end = endOfTurn(content.span().to(), limit, special, content.span().to());
        spans.add(new Span(content.span().from(), end));
      }
    }
    return spans;
  }

  private static List<Span> turns(
      ChatTemplate template, Origin.Untraced origin, List<Match> special) {
    List<MessageSpan> turns =
        origin
            .assistantTurns()
            .orElseThrow(
                () ->
                    new UserError(
                        "assistant_only_loss: which part of the text is the assistant's cannot be told with the chat template '%s', since it rewrites messages. Mark that part in the template by {%% generation %%} … {%% endgeneration %%}, or set assistant_only_loss: false."
                            .formatted(template.name())));
    List<Span> spans = new ArrayList<>();
    for (MessageSpan turn : turns) {
      int from = turn.span().from();
      int to = turn.span().to();
      spans.add(new Span(from, endOfTurn(from, to, special, to)));
    }
    return spans;
  }

  private static int endOfTurn(int from, int limit, List<Match> special, int otherwise) {
    for (Match match : special) {
      if (match.span().from() >= from && match.span().to() <= limit) {
        return match.span().to();
      }
    }
    return otherwise;
  }
}
