package org.sparkfinetune.data.tokenize;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.jinja.ChatTemplate;
import org.sparkfinetune.data.jinja.ChatTemplate.AddGenerationPrompt;
import org.sparkfinetune.data.jinja.RenderedConversation;
import org.sparkfinetune.data.jinja.RenderedConversation.MessageSpan;
import org.sparkfinetune.data.jinja.RenderedConversation.Origin;
import org.sparkfinetune.data.jinja.RenderedConversation.Span;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.data.tokenize.NativeTokenizer.Encoded;
import org.sparkfinetune.data.tokenize.Packer.SampleLengths;
import org.sparkfinetune.data.tokenize.SpecialTokenFinder.Match;
import org.sparkfinetune.errors.UserError;

/**
 * From a conversation to ids: the template's text, tokenised as a whole between two special tokens.
 * Special tokens come from the template alone; a content that spells one is plain text. A token is
 * trained if its last character is.
 */
public final class ConversationTokenizer {
  private final LlamaTokenizer tokenizer;
  private final ChatTemplate template;
  private final LossTarget target;

  public ConversationTokenizer(LlamaTokenizer tokenizer, ChatTemplate template, LossTarget target) {
    this.tokenizer = tokenizer;
    this.template = template;
    this.target = target;
  }

  public TokenizedSample tokenize(Conversation conversation) {
    return tokenize(List.of(conversation)).get(0);
  }

  /** Conversations at once, which is faster than one by one. */
  public List<TokenizedSample> tokenize(List<Conversation> conversations) {
    List<Prepared> prepared = new ArrayList<>(conversations.size());
    for (Conversation conversation : conversations) {
      prepared.add(prepare(conversation, AddGenerationPrompt.NO));
    }
    List<Encoded> encoded = encode(prepared);
    List<TokenizedSample> samples = new ArrayList<>(conversations.size());
    for (int i = 0; i < prepared.size(); i++) {
      samples.add(
          new TokenizedSample(encoded.get(i).ids(), trained(prepared.get(i), encoded.get(i))));
    }
    return samples;
  }

  /** Ids of a conversation and of the header of the assistant's turn that is to be generated. */
  public int[] prompt(Conversation conversation) {
    return encode(List.of(prepare(conversation, AddGenerationPrompt.YES))).get(0).ids();
  }

  /**
   * @param special those that the template wrote
   * @param forged whether contents spell any
   */
  private record Prepared(RenderedConversation rendered, List<Match> special, boolean forged) {
    String text() {
      return rendered.text();
    }
  }

  private Prepared prepare(Conversation conversation, AddGenerationPrompt prompt) {
    RenderedConversation rendered =
        template.render(conversation, tokenizer.specialTokens(), prompt);
    List<Match> all = tokenizer.specialTokensIn(rendered.text());
    if (rendered.origin() instanceof Origin.Traced traced) {
      List<Match> written = all.stream().filter(m -> isTemplates(m, traced.contents())).toList();
      if (written.size() < all.size()) {
        return new Prepared(rendered, betweenContents(rendered.text(), traced.contents()), true);
      }
    } else {
      refuseForged(conversation);
    }
    return new Prepared(rendered, all, false);
  }

  private static boolean isTemplates(Match match, List<MessageSpan> contents) {
    return contents.stream()
        .noneMatch(
            c ->
                match.span().from() < c.span().to()
                    && c.span().from() < match.span().to()
                    && !c.span().isEmpty());
  }

  /** Looks between the contents alone: what a content spells must not hide what follows it. */
  private List<Match> betweenContents(String text, List<MessageSpan> contents) {
    List<Match> found = new ArrayList<>();
    int from = 0;
    for (MessageSpan content : contents) {
      findIn(text, from, content.span().from(), found);
      from = content.span().to();
    }
    findIn(text, from, text.length(), found);
    return found;
  }

  private void findIn(String text, int from, int to, List<Match> found) {
    for (Match match : tokenizer.specialTokensIn(text.substring(from, to))) {
      Span span = match.span();
      found.add(new Match(match.token(), new Span(from + span.from(), from + span.to())));
    }
  }

  private void refuseForged(Conversation conversation) {
    List<Message> messages = conversation.messages();
    for (int i = 0; i < messages.size(); i++) {
      for (Match match : tokenizer.specialTokensIn(messages.get(i).content())) {
        throw new UserError(
            "Message %s (%s) of a conversation contains the text of the special token %s, and the chat template '%s' rewrites messages, so that text cannot be kept apart from real special tokens. Remove it from the data, or name another chat_template."
                .formatted(
                    i + 1, messages.get(i).role().text(), match.token().text(), template.name()));
      }
    }
  }

  private List<Encoded> encode(List<Prepared> prepared) {
    List<String> texts = prepared.stream().filter(p -> !p.forged()).map(Prepared::text).toList();
    // Spans cost as much as the ids, and only a mask needs them.
    List<Encoded> honest =
        target == LossTarget.ASSISTANT_TURNS
            ? tokenizer.whole().encode(texts)
            : tokenizer.whole().ids(texts).stream().map(i -> new Encoded(i, new int[0])).toList();
    List<Encoded> encoded = new ArrayList<>(prepared.size());
    int next = 0;
    for (Prepared one : prepared) {
      encoded.add(
          one.forged()
              ? new PieceEncoder(tokenizer).encode(one.text(), one.special())
              : honest.get(next++));
    }
    return encoded;
  }

  private boolean[] trained(Prepared prepared, Encoded encoded) {
    boolean[] trained = new boolean[encoded.ids().length];
    if (target == LossTarget.EVERY_TOKEN) {
      Arrays.fill(trained, true);
      return trained;
    }
    boolean[] characters = new boolean[prepared.text().length()];
    for (Span span : TrainedText.of(template, prepared.rendered(), prepared.special())) {
      Arrays.fill(characters, span.from(), span.to(), true);
    }
    for (int i = 0; i < trained.length; i++) {
      int end = encoded.ends()[i];
      trained[i] = end > 0 && characters[end - 1];
    }
    return trained;
  }

  /**
   * A conversation as ids.
   *
   * @param trained of each token whether the model is to learn to predict it; the first never is,
   *     since nothing precedes it
   */
  public record TokenizedSample(int[] ids, boolean[] trained) {
    public int length() {
      return ids.length;
    }

    /** Index of the first trained token, or {@link SampleLengths#NONE}. */
    public int firstTrained() {
      for (int i = 1; i < trained.length; i++) {
        if (trained[i]) {
          return i;
        }
      }
      return SampleLengths.NONE;
    }

    /** How many tokens the loss is taken over if the sample lies in a row whole. */
    public int trainedTokens() {
      int count = 0;
      for (int i = 1; i < trained.length; i++) {
        count += trained[i] ? 1 : 0;
      }
      return count;
    }
  }
}
