package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.ConversationTokenizer;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.data.tokenize.LossExtent;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.inference.generate.Generator.Generated;
import org.sparkfinetune.inference.generate.Generator.Prompt;
import org.sparkfinetune.inference.generate.Generator.Text;
import org.sparkfinetune.inference.generate.Generator.TokenListener;

/**
 * {@link Generator} from texts and conversations to texts. One thread at a time may use it.
 *
 * <p>A chat template may end with a space before the answer, as the reference's does. Where the
 * answer stood in training, that space was part of its first token ({@code " SELECT"}); a prompt
 * that has it as a token of its own asks for something that never came. So it is left to the answer
 * to begin with it, and is not shown.
 */
public final class TextGenerator implements AutoCloseable {
  private final Generator generator;
  private final LlamaTokenizer tokenizer;
  private final ChatTemplate template;
  private final ConversationTokenizer conversations;
  private final GenerationSettings settings;
  private final List<String> stop;

  /**
   * @param tokenizer stays the caller's
   * @param stop texts that end an answer
   */
  public TextGenerator(
      Generator generator,
      LlamaTokenizer tokenizer,
      ChatTemplate template,
      GenerationSettings settings,
      List<String> stop) {
    this.generator = generator;
    this.tokenizer = tokenizer;
    this.template = template;
    this.conversations = new ConversationTokenizer(tokenizer, template, LossTarget.EVERY_TOKEN);
    this.settings = settings;
    this.stop = List.copyOf(stop);
  }

  /** The answers, in the order of the prompts. */
  public List<Completion> complete(List<TextPrompt> prompts, TextListener listener) {
    List<Asked> asked = prompts.stream().map(this::asked).toList();
    List<Prompt> tokens = asked.stream().map(Asked::tokens).toList();
    List<AnswerText> answers = new ArrayList<>();
    for (int i = 0; i < prompts.size(); i++) {
      int index = i;
      answers.add(
          new AnswerText(
              tokenizer, stop, asked.get(i).lead(), piece -> listener.text(index, piece)));
    }
    List<Generated> generated =
        generator.run(
            tokens,
            settings,
            new TokenListener() {
              @Override
              public Then token(int prompt, int id) {
                return answers.get(prompt).add(id);
              }

              @Override
              public void ended(int prompt) {
                listener.ended(prompt);
              }
            });
    return IntStream.range(0, prompts.size())
        .mapToObj(
            i ->
                new Completion(
                    answers.get(i).finish(),
                    tokens.get(i).ids().length,
                    generated.get(i).ids().length,
                    generated.get(i).finish(),
                    loss(tokens.get(i).texts(), generated.get(i).losses())))
        .toList();
  }

  /** How many tokens a prompt has. */
  public int length(TextPrompt prompt) {
    return asked(prompt).tokens().ids().length;
  }

  /**
   * @param lead what the answer is to begin with, and is not shown
   */
  private record Asked(Prompt tokens, String lead) {}

  private Asked asked(TextPrompt prompt) {
    if (prompt instanceof TextPrompt.Chat chat) {
      return asked(chat.sequence(), chat.conversation(), List.of());
    }
    if (prompt instanceof TextPrompt.Answered answered) {
      return asked(
          answered.sequence(),
          answered.conversation().question(),
          texts(answered.conversation(), answered.extent()));
    }
    TextPrompt.Plain plain = (TextPrompt.Plain) prompt;
    int[] ids = plain.text().isEmpty() ? new int[0] : tokenizer.encode(plain.text());
    OptionalInt bos =
        tokenizer.specialTokens().bos().map(tokenizer::idOf).orElse(OptionalInt.empty());
    boolean add = bos.isPresent() && (ids.length == 0 || ids[0] != bos.getAsInt());
    int[] begun = add ? IntStream.concat(bos.stream(), IntStream.of(ids)).toArray() : ids;
    return new Asked(new Prompt(plain.sequence(), begun), "");
  }

  private Asked asked(long sequence, Conversation question, List<Text> texts) {
    int[] ids = conversations.prompt(question);
    boolean space = endsWithSpace(ids);
    int[] kept = space ? Arrays.copyOf(ids, ids.length - 1) : ids;
    return new Asked(new Prompt(sequence, kept, texts), space ? " " : "");
  }

  private boolean endsWithSpace(int[] ids) {
    int[] word = tokenizer.encode("a ");
    return ids.length > 1 && word.length > 1 && ids[ids.length - 1] == word[word.length - 1];
  }

  /**
   * Summed loss of a text and how many tokens it is over.
   *
   * @param loss sum of minus log-probabilities
   */
  public record Loss(double loss, int tokens) {}

  /** The loss of a conversation as training takes it; over no tokens where it takes none. */
  public Loss loss(Conversation conversation, LossExtent extent) {
    List<Text> texts = texts(conversation, extent);
    return loss(
        texts, texts.stream().map(text -> generator.losses(text.ids(), text.wanted())).toList());
  }

  private List<Text> texts(Conversation conversation, LossExtent extent) {
    ConversationTokenizer marking = new ConversationTokenizer(tokenizer, template, extent.target());
    return extent.pieces(marking.tokenize(conversation)).stream()
        .map(piece -> new Text(piece.ids(), piece.trained()))
        .toList();
  }

  private static Loss loss(List<Text> texts, List<double[]> losses) {
    double sum = 0;
    int tokens = 0;
    for (int i = 0; i < texts.size(); i++) {
      sum += Arrays.stream(losses.get(i)).sum();
      boolean[] wanted = texts.get(i).wanted();
      tokens += (int) IntStream.range(1, wanted.length).filter(place -> wanted[place]).count();
    }
    return new Loss(sum, tokens);
  }

  @Override
  public void close() {
    generator.close();
  }

  /**
   * An answer.
   *
   * @param text without the stop string or token that ended it
   * @param promptTokens tokens of the prompt
   * @param tokens that were generated
   * @param loss of the answer that was there, of {@link TextPrompt.Answered}; else over no tokens
   */
  public record Completion(
      String text, int promptTokens, int tokens, Generated.Finish finish, Loss loss) {}

  /** Sees text as it is made. */
  @FunctionalInterface
  public interface TextListener {
    /** Sees nothing. */
    TextListener NONE = (prompt, piece) -> {};

    /**
     * More text of an answer; all pieces together are the answer.
     *
     * @param prompt index of the prompt
     */
    void text(int prompt, String piece);

    /** All of an answer is there, the last pieces of its text maybe apart. */
    default void ended(int prompt) {}

    /** Sees only when answers end, and nothing of their text. */
    static TextListener ends(Runnable ended) {
      return new TextListener() {
        @Override
        public void text(int prompt, String piece) {}

        @Override
        public void ended(int prompt) {
          ended.run();
        }
      };
    }
  }

  /** What to write on from. */
  public sealed interface TextPrompt {

    /** Tells apart sequences of the same seed. */
    long sequence();

    /** A text, after BOS if the tokenizer has one. */
    record Plain(long sequence, String text) implements TextPrompt {}

    /** A conversation that the assistant goes on with, through the chat template. */
    record Chat(long sequence, Conversation conversation) implements TextPrompt {}

    /**
     * A conversation that ends with an answer. Its question is answered again, and the loss of the
     * conversation taken as {@link TextGenerator#loss} does, in less time than both apart.
     */
    record Answered(long sequence, Conversation conversation, LossExtent extent)
        implements TextPrompt {}
  }
}
