package org.sparkfinetune.launch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.tokenize.LlamaTokenizer;
import org.sparkfinetune.tokenize.TokenizedSample;

/** A tokenised conversation as text again, cut where the loss begins or ends. */
public record MaskedSample(List<Piece> pieces, int tokens, int trainedTokens) {

  /** Text of successive tokens that all have a loss, or all none. */
  public record Piece(String text, Loss loss) {}

  /** Whether the model learns to predict it. */
  public enum Loss {
    TRAINED,
    NOT_TRAINED
  }

  public MaskedSample {
    pieces = List.copyOf(pieces);
  }

  /** Runs are decoded whole, since a character may be several tokens. */
  static MaskedSample of(TokenizedSample sample, LlamaTokenizer tokenizer) {
    List<Piece> pieces = new ArrayList<>();
    int from = 0;
    for (int i = 1; i <= sample.length(); i++) {
      if (i == sample.length() || loss(sample, i) != loss(sample, from)) {
        String text = tokenizer.decode(Arrays.copyOfRange(sample.ids(), from, i));
        pieces.add(new Piece(text, loss(sample, from)));
        from = i;
      }
    }
    return new MaskedSample(pieces, sample.length(), sample.trainedTokens());
  }

  private static Loss loss(TokenizedSample sample, int token) {
    return token > 0 && sample.trained()[token] ? Loss.TRAINED : Loss.NOT_TRAINED;
  }
}
