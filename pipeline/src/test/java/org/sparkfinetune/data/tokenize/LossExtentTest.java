package org.sparkfinetune.data.tokenize;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.config.TrainingData.Objective;
import org.sparkfinetune.config.TrainingData.Overlong;
import org.sparkfinetune.data.tokenize.ConversationTokenizer.TokenizedSample;

final class LossExtentTest {
  private static LossExtent extent(Overlong overlong) {
    return LossExtent.of(
        new TrainingData("data", 4, true, false, Optional.empty(), overlong, true, Objective.SFT));
  }

  /** The first half is a question. */
  private static TokenizedSample sample(int length) {
    boolean[] trained = new boolean[length];
    java.util.Arrays.fill(trained, length / 2, length, true);
    return new TokenizedSample(IntStream.range(0, length).toArray(), trained);
  }

  @Test
  void what_fits_is_taken_whole() {
    assertThat(extent(Overlong.DROP).pieces(sample(4)))
        .singleElement()
        .satisfies(piece -> assertThat(piece.trainedTokens()).isEqualTo(2));
    assertThat(LossExtent.EVERYTHING.pieces(sample(9000))).hasSize(1);
  }

  @Test
  void what_is_longer_is_left_out_or_cut_as_in_training() {
    assertThat(extent(Overlong.DROP).pieces(sample(6))).isEmpty();
    assertThat(extent(Overlong.ERROR).pieces(sample(6))).isEmpty();
    assertThat(extent(Overlong.TRUNCATE).pieces(sample(6)))
        .singleElement()
        .satisfies(piece -> assertThat(piece.ids()).containsExactly(0, 1, 2, 3));
    assertThat(extent(Overlong.TRUNCATE).pieces(sample(8))).isEmpty();
    assertThat(extent(Overlong.SPLIT).pieces(sample(6)))
        .satisfiesExactly(
            piece -> assertThat(piece.ids()).containsExactly(0, 1, 2, 3),
            piece -> assertThat(piece.trained()).containsExactly(true, true));
  }

  @Test
  void a_report_says_it_in_words() {
    assertThat(LossExtent.EVERYTHING.words()).isEqualTo("every token");
    assertThat(extent(Overlong.DROP).words())
        .isEqualTo("the assistant's turns, max_seq_length 4 (longer ones: drop)");
  }
}
