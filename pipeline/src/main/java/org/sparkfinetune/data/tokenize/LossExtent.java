package org.sparkfinetune.data.tokenize;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.config.TrainingData.Overlong;
import org.sparkfinetune.data.tokenize.ConversationTokenizer.TokenizedSample;
import org.sparkfinetune.data.tokenize.Packer.Packing;
import org.sparkfinetune.data.tokenize.Packer.SampleLengths;

/**
 * What of a conversation a loss is taken over: the same pieces and tokens as in training.
 *
 * @param maxSeqLength tokens of a row
 * @param overlong what becomes of a conversation that is longer
 */
public record LossExtent(LossTarget target, int maxSeqLength, Overlong overlong)
    implements Serializable {

  /** All of it, where nothing is known of a training. */
  public static final LossExtent EVERYTHING =
      new LossExtent(LossTarget.EVERY_TOKEN, Integer.MAX_VALUE, Overlong.DROP);

  /** As a run's configuration says. What it refuses to train on has no loss. */
  public static LossExtent of(TrainingData data) {
    return new LossExtent(
        LossTarget.of(data),
        data.maxSeqLength(),
        data.overlong() == Overlong.ERROR ? Overlong.DROP : data.overlong());
  }

  /** For a report. */
  public String words() {
    String tokens =
        switch (target) {
          case EVERY_TOKEN -> "every token";
          case ASSISTANT_TURNS -> "the assistant's turns";
        };
    return equals(EVERYTHING)
        ? tokens
        : "%s, max_seq_length %s (longer ones: %s)"
            .formatted(tokens, maxSeqLength, overlong.text());
  }

  /** The pieces that would lie in rows, none if the sample would not. */
  public List<TokenizedSample> pieces(TokenizedSample sample) {
    int length = sample.length();
    int pieces =
        new Packer(maxSeqLength, Packing.ONE_SAMPLE_A_ROW, overlong)
            .pack(new SampleLengths(new int[] {length}, new int[] {sample.firstTrained()}))
            .pieces(0);
    List<TokenizedSample> made = new ArrayList<>();
    for (int from = 0; made.size() < pieces; from += maxSeqLength) {
      int to = Math.min(length - from, maxSeqLength) + from;
      made.add(
          new TokenizedSample(
              Arrays.copyOfRange(sample.ids(), from, to),
              Arrays.copyOfRange(sample.trained(), from, to)));
    }
    return made;
  }

  /** Which tokens are trained. */
  public enum LossTarget {
    EVERY_TOKEN,
    /** What the assistant says, with the token that ends its turn. */
    ASSISTANT_TURNS;

    /** What is trained of whole conversations; of a pair it is what follows the prompt. */
    public static LossTarget of(TrainingData data) {
      return assistantOnly(data.assistantOnlyLoss() && !data.isPreference());
    }

    /** {@code assistant_only_loss}. */
    public static LossTarget assistantOnly(boolean assistantOnlyLoss) {
      return assistantOnlyLoss ? ASSISTANT_TURNS : EVERY_TOKEN;
    }
  }
}
