package org.sparkfinetune.data.tokenize;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.template.ChatTemplate.AddGenerationPrompt;
import org.sparkfinetune.data.template.RenderedConversation;
import org.sparkfinetune.data.template.RenderedConversation.ContentSpan;
import org.sparkfinetune.data.template.RenderedConversation.Span;
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
  private final TrainedText trainedText;
  private final TrainedText trainedWithTools;

  public ConversationTokenizer(LlamaTokenizer tokenizer, ChatTemplate template, LossTarget target) {
    this.tokenizer = tokenizer;
    this.template = template;
    this.target = target;
    this.trainedText = trainedText(template);
    this.trainedWithTools = trainedText(template.forTools());
    if (target == LossTarget.ASSISTANT_TURNS) {
      checkEndOfTurn();
    }
  }

  private TrainedText trainedText(ChatTemplate of) {
    return new TrainedText(of, target, of.generationPrompt(tokenizer.specialTokens()));
  }

  /**
   * A special token that this tokenizer does not have is plain text behind an answer, which nobody
   * trains, and a model that never learns how a turn ends goes on for ever.
   */
  private void checkEndOfTurn() {
    TokenizedSample sample;
    try {
      sample =
          tokenize(
              new Conversation(
                  List.of(new Message(Role.USER, "x"), new Message(Role.ASSISTANT, "y"))));
    } catch (UserError refusesProbe) {
      return;
    }
    for (int i = 0; i < sample.length(); i++) {
      if (sample.trained()[i] && tokenizer.isSpecial(sample.ids()[i])) {
        return;
      }
    }
    if (sample.trainedTokens() == 0) {
      return;
    }
    throw new UserError(
        ("assistant_only_loss: with the chat template '%s' and this tokenizer no answer ends with a"
                + " special token, so the model would never learn to stop. Take the tokenizer's"
                + " own template (chat_template: tokenizer), a template that ends answers with"
                + " eos_token (%s), or one that ends them with a reserved token of this vocabulary,"
                + " trained by modules_to_save: [embed_tokens, lm_head]. No token is ever added to"
                + " a vocabulary.")
            .formatted(template.name(), tokenizer.specialTokens().eos().orElse("none here")));
  }

  public TokenizedSample tokenize(Conversation conversation) {
    Prepared prepared = prepare(conversation, AddGenerationPrompt.NO);
    Encoded encoded = encode(prepared);
    return new TokenizedSample(encoded.ids(), trained(prepared, encoded));
  }

  /** Ids of a conversation and of the header of the assistant's turn that is to be generated. */
  public int[] prompt(Conversation conversation) {
    return encode(prepare(conversation, AddGenerationPrompt.YES)).ids();
  }

  /** How many tokens a conversation's last turn has with what the template ends it with. */
  public int answerLength(Conversation conversation) {
    List<Message> messages = conversation.messages();
    // A template may leave out what was thought, or begin the answer in the prompt.
    int text = tokenizer.encode(messages.get(messages.size() - 1).content()).length;
    return Math.max(text, tokenize(conversation).length() - prompt(conversation.question()).length);
  }

  /**
   * @param special those that the template wrote
   * @param forged whether contents spell any
   */
  private record Prepared(
      Conversation conversation,
      RenderedConversation rendered,
      List<Match> special,
      boolean forged) {
    String text() {
      return rendered.text();
    }
  }

  private Prepared prepare(Conversation conversation, AddGenerationPrompt prompt) {
    RenderedConversation rendered =
        template.render(conversation, tokenizer.specialTokens(), prompt);
    List<Match> all = tokenizer.specialTokensIn(rendered.text());
    List<Match> written = all.stream().filter(m -> isTemplates(m, rendered.contents())).toList();
    boolean forged = written.size() < all.size();
    List<Match> special = forged ? betweenContents(rendered) : all;
    return new Prepared(conversation, rendered, special, forged);
  }

  private static boolean isTemplates(Match match, List<ContentSpan> contents) {
    return contents.stream()
        .noneMatch(c -> match.span().from() < c.span().to() && c.span().from() < match.span().to());
  }

  /** Looks between the contents alone: what a content spells must not hide what follows it. */
  private List<Match> betweenContents(RenderedConversation rendered) {
    List<Match> found = new ArrayList<>();
    int from = 0;
    for (ContentSpan content : rendered.contents()) {
      findIn(rendered.text(), from, content.span().from(), found);
      from = content.span().to();
    }
    findIn(rendered.text(), from, rendered.text().length(), found);
    return found;
  }

  private void findIn(String text, int from, int to, List<Match> found) {
    for (Match match : tokenizer.specialTokensIn(text.substring(from, to))) {
      Span span = match.span();
      found.add(new Match(match.token(), new Span(from + span.from(), from + span.to())));
    }
  }

  private Encoded encode(Prepared prepared) {
    return prepared.forged()
        ? new PieceEncoder(tokenizer).encode(prepared.text(), prepared.special())
        : tokenizer.encode(prepared.text(), prepared.special(), needsSpans(prepared));
  }

  private boolean[] trained(Prepared prepared, Encoded encoded) {
    boolean[] trained = new boolean[encoded.ids().length];
    if (!needsSpans(prepared)) {
      Arrays.fill(trained, true);
      return trained;
    }
    TrainedText text =
        prepared.conversation().inputs().tools().isEmpty() ? trainedText : trainedWithTools;
    boolean[] characters =
        text.of(prepared.conversation(), prepared.rendered(), prepared.special());
    for (int i = 0; i < trained.length; i++) {
      int end = encoded.ends()[i];
      trained[i] = end > 0 && characters[end - 1];
    }
    return trained;
  }

  /** Spans cost as much as the ids, and only a mask needs them. */
  private boolean needsSpans(Prepared prepared) {
    return target == LossTarget.ASSISTANT_TURNS
        || prepared.conversation().messages().stream().anyMatch(m -> m.extras().untrained());
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
