package org.sparkfinetune.spark.tokenize;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.data.tokenize.ConversationTokenizer.TokenizedSample;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.engine.metrics.MaskedSample;
import org.sparkfinetune.engine.metrics.MaskedSample.Loss;

/** Shows people what a model learns to predict. */
public final class SampleMasks {
  private SampleMasks() {}

  /** Runs are decoded whole, since a character may be several tokens. */
  public static MaskedSample of(TokenizedSample sample, LlamaTokenizer tokenizer) {
    List<MaskedSample.Piece> pieces = new ArrayList<>();
    int from = 0;
    for (int i = 1; i <= sample.length(); i++) {
      if (i == sample.length() || loss(sample, i) != loss(sample, from)) {
        String text = tokenizer.decode(Arrays.copyOfRange(sample.ids(), from, i));
        pieces.add(new MaskedSample.Piece(text, loss(sample, from)));
        from = i;
      }
    }
    return new MaskedSample(pieces, sample.length(), sample.trainedTokens());
  }

  private static Loss loss(TokenizedSample sample, int token) {
    return token > 0 && sample.trained()[token] ? Loss.TRAINED : Loss.NOT_TRAINED;
  }

  /** The first samples of a row that ranks train on, as its labels have them. */
  public static List<MaskedSample> of(PackedRow row, int most, LlamaTokenizer tokenizer) {
    List<MaskedSample> samples = new ArrayList<>();
    int from = 0;
    while (samples.size() < most && from < row.length() && row.segmentIds()[from] >= 0) {
      int to = from;
      while (to < row.length() && row.segmentIds()[to] == row.segmentIds()[from]) {
        to++;
      }
      boolean[] trained = new boolean[to - from];
      for (int i = from; i < to; i++) {
        trained[i - from] = row.labels()[i] != PackedRow.NOT_TRAINED;
      }
      samples.add(
          of(
              new TokenizedSample(Arrays.copyOfRange(row.inputIds(), from, to), trained),
              tokenizer));
      from = to;
    }
    return samples;
  }
}
