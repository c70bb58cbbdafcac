package org.sparkfinetune.spark.dataset;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

final class RowsHashTest {
  private static RowsHash of(byte[][] digests, int from, int to) {
    RowsHash hash = new RowsHash();
    for (int i = from; i < to; i++) {
      hash.add(digests[i]);
    }
    return hash;
  }

  private static byte[][] digests(int count) {
    byte[][] digests = new byte[count][32];
    Random random = new Random(3);
    for (byte[] digest : digests) {
      random.nextBytes(digest);
    }
    return digests;
  }

  @Test
  void parts_in_their_order_have_the_hash_of_the_whole_wherever_they_are_cut() {
    byte[][] rows = digests(30);
    String whole = of(rows, 0, 30).text();
    for (int a = 0; a <= 30; a++) {
      for (int b = a; b <= 30; b++) {
        RowsHash hash = of(rows, 0, a);
        hash.append(RowsHash.ofBytes(of(rows, a, b).bytes()));
        hash.append(of(rows, b, 30));
        assertThat(hash.text()).isEqualTo(whole);
      }
    }
  }

  @Test
  void other_rows_and_another_order_have_another_hash() {
    byte[][] rows = digests(5);
    String hash = of(rows, 0, 5).text();
    assertThat(hash).matches("[0-9a-f]{64}");
    assertThat(of(rows, 0, 4).text()).isNotEqualTo(hash);
    byte[] second = rows[1];
    rows[1] = rows[2];
    rows[2] = second;
    assertThat(of(rows, 0, 5).text()).isNotEqualTo(hash);
    assertThat(of(new byte[][] {new byte[32]}, 0, 1).text()).isNotEqualTo(new RowsHash().text());
  }

  @Test
  void rows_of_the_test_split_are_not_those_of_the_training_split() {
    byte[][] rows = digests(5);
    RowsHash none = new RowsHash();
    String all = RowsHash.ofDataset(of(rows, 0, 5), none);
    assertThat(RowsHash.ofDataset(of(rows, 0, 3), of(rows, 3, 5))).isNotEqualTo(all);
    assertThat(RowsHash.ofDataset(none, of(rows, 0, 5))).isNotEqualTo(all);
  }
}
