package org.sparkfinetune.data.tokenize;

import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.tokenize.ConversationTokenizer.TokenizedSample;
import org.sparkfinetune.data.tokenize.Packer.SampleLengths;
import org.sparkfinetune.errors.UserError;

/**
 * From a preference to two sequences, as TRL's DPOTrainer makes them: the prompt with the words
 * that begin an answer, and each answer behind it with what the template ends it with, which is
 * what the loss is of. Where a template renders the prompt otherwise once it is answered, the
 * answer begins where they part.
 */
public final class PairTokenizer {
  private final ConversationTokenizer tokenizer;

  /**
   * @param tokenizer of whole conversations
   */
  public PairTokenizer(ConversationTokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /**
   * @throws UserError if it is no preference, or the template cannot render one of the two
   */
  public TokenizedPair tokenize(Conversation conversation) {
    Conversation rejected =
        conversation
            .rejectedOne()
            .orElseThrow(
                () ->
                    new UserError(
                        "objective is dpo, but there is no rejected answer; let prepare make the data set with dataset: preference"));
    List<Message> ours = conversation.messages();
    List<Message> others = rejected.messages();
    int same = Conversation.sharedTurns(ours, others);
    if (same == 0 || same == ours.size() || same == others.size()) {
      throw new UserError(
          "the chosen and the rejected conversation part at message %s; they need a prompt that both begin with, and an answer each"
              .formatted(same + 1));
    }
    int[] prompt = tokenizer.prompt(new Conversation(ours.subList(0, same), conversation.inputs()));
    int[] chosen = tokenizer.tokenize(conversation).ids();
    int[] losing = tokenizer.tokenize(rejected).ids();
    int length = Math.min(common(prompt, chosen), common(prompt, losing));
    return new TokenizedPair(answer(chosen, length), answer(losing, length));
  }

  private static int common(int[] one, int[] other) {
    int differs = Arrays.mismatch(one, other);
    return differs < 0 ? one.length : differs;
  }

  private static TokenizedSample answer(int[] ids, int from) {
    boolean[] trained = new boolean[ids.length];
    Arrays.fill(trained, from, ids.length, true);
    return new TokenizedSample(ids, trained);
  }

  /** Two answers to one prompt. */
  public record TokenizedPair(TokenizedSample chosen, TokenizedSample rejected) {
    /** Of the longer one. */
    int length() {
      return Math.max(chosen.length(), rejected.length());
    }

    /** Where both have something that is trained, or {@link SampleLengths#NONE}. */
    int firstTrained() {
      return Math.max(chosen.firstTrained(), rejected.firstTrained());
    }
  }
}
