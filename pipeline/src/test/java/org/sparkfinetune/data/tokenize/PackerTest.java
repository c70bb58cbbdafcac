package org.sparkfinetune.data.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.TrainingData.Overlong;
import org.sparkfinetune.data.tokenize.Packer.Packing;
import org.sparkfinetune.data.tokenize.Packer.PackingPlan;
import org.sparkfinetune.data.tokenize.Packer.PackingReport;
import org.sparkfinetune.data.tokenize.Packer.SampleLengths;
import org.sparkfinetune.errors.UserError;

final class PackerTest {
  private static SampleLengths lengths(int... lengths) {
    return new SampleLengths(
        lengths,
        IntStream.of(lengths).map(length -> length < 2 ? SampleLengths.NONE : 1).toArray());
  }

  private static PackingPlan pack(Overlong overlong, int... lengths) {
    return new Packer(10, Packing.BEST_FIT, overlong).pack(lengths(lengths));
  }

  private static int[] rows(PackingPlan plan) {
    int pieces = 0;
    for (int i = 0; i < plan.report().samples(); i++) {
      pieces += plan.pieces(i);
    }
    return IntStream.range(0, pieces).map(plan::rowOfPiece).toArray();
  }

  @Test
  void each_sample_goes_into_the_fullest_row_that_takes_it() {
    PackingPlan plan = pack(Overlong.DROP, 3, 7, 6, 4, 2);
    assertThat(rows(plan)).containsExactly(0, 0, 1, 1, 2);
    assertThat(plan.report().fill()).isEqualTo(22 / 30.0);
  }

  @Test
  void rows_are_numbered_in_the_order_of_the_samples() {
    assertThat(rows(pack(Overlong.DROP, 2, 9, 10, 8))).containsExactly(0, 1, 2, 0);
  }

  @Test
  void no_row_overflows_and_no_sample_is_lost() {
    Random random = new Random(7);
    for (int round = 0; round < 50; round++) {
      int[] lengths = random.ints(200, 2, 14).toArray();
      PackingPlan plan = pack(Overlong.SPLIT, lengths);
      int[] used = new int[plan.rows()];
      for (int i = 0; i < lengths.length; i++) {
        assertThat(plan.pieces(i)).isEqualTo((lengths[i] + 9) / 10);
        for (int k = 0; k < plan.pieces(i); k++) {
          used[plan.rowOfPiece(plan.firstPiece(i) + k)] += Math.min(10, lengths[i] - 10 * k);
        }
      }
      assertThat(Arrays.stream(used).max().orElseThrow()).isLessThanOrEqualTo(10);
      assertThat(Arrays.stream(used).sum()).isEqualTo(Arrays.stream(lengths).sum());
      assertThat(plan.report().tokens()).isEqualTo(Arrays.stream(lengths).sum());
    }
  }

  @Test
  void as_many_conversations_as_the_large_data_set_fill_the_rows() {
    Random random = new Random(7);
    int[] lengths =
        random.doubles(78_577).mapToInt(u -> 40 + (int) (-110 * Math.log(1 - u))).toArray();
    PackingPlan plan = new Packer(3072, Packing.BEST_FIT, Overlong.DROP).pack(lengths(lengths));
    assertThat(plan.report().fill()).isGreaterThan(0.995);
  }

  @Test
  void without_packing_a_row_holds_one_sample() {
    PackingPlan plan =
        new Packer(10, Packing.ONE_SAMPLE_A_ROW, Overlong.DROP).pack(lengths(3, 4, 12, 3));
    assertThat(rows(plan)).containsExactly(0, 1, 2);
  }

  @Test
  void every_sample_is_counted_once() {
    PackingReport dropped = pack(Overlong.DROP, 3, 12, 1, 25).report();
    assertThat(dropped).isEqualTo(new PackingReport(4, 1, 2, 0, 0, 1, 0, 1, 25, 10, 3, 3, 1, 3));
    PackingReport truncated = pack(Overlong.TRUNCATE, 3, 12, 1, 25).report();
    assertThat(truncated)
        .isEqualTo(new PackingReport(4, 3, 0, 2, 0, 1, 17, 1, 25, 10, 10, 10, 3, 23));
    PackingReport split = pack(Overlong.SPLIT, 3, 12, 1, 25).report();
    assertThat(split).isEqualTo(new PackingReport(4, 3, 0, 0, 2, 1, 0, 1, 25, 10, 10, 10, 4, 40));
  }

  @Test
  void truncation_that_leaves_nothing_to_train_leaves_the_sample_out() {
    PackingReport report =
        new Packer(10, Packing.BEST_FIT, Overlong.TRUNCATE)
            .pack(new SampleLengths(new int[] {12, 12}, new int[] {10, 9}))
            .report();
    assertThat(report.nothingToTrain()).isEqualTo(1);
    assertThat(report.packed()).isEqualTo(1);
  }

  @Test
  void an_overlong_sample_may_be_an_error() {
    assertThatThrownBy(() -> pack(Overlong.ERROR, 3, 12))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("Sample 2 has 12 tokens, more than max_seq_length: 10");
    assertThatThrownBy(() -> new Packer(1, Packing.BEST_FIT, Overlong.DROP))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("max_seq_length: 1");
  }
}
