package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectOutputStream;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.spark.unsafe.hash.Murmur3_x86_32;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.config.PrepareConfig.TestSize;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.spark.prepare.Selection.Stratum;

final class OrderAndSelectionTest {
  private static Conversation conversation(String user, String assistant) {
    return new Conversation(
        List.of(new Message(Role.USER, user), new Message(Role.ASSISTANT, assistant)));
  }

  private static long order(long seed, String user, String assistant) {
    RowOrder order = new RowOrder(seed);
    order.of(EncodedConversation.of(conversation(user, assistant)));
    return order.order();
  }

  private static long order(String user, String assistant) {
    return order(42, user, assistant);
  }

  @Test
  void case_width_and_white_space_make_no_difference_to_the_order() {
    long order = order("How many Ärzte?", "SELECT 1");
    assertThat(order(" how  many\n\tärzte? ", "select 1")).isEqualTo(order);
    assertThat(order("ｈow many A\u0308rzte?", "SELECT\u00a01")).isEqualTo(order);
    assertThat(order("How many Arzte?", "SELECT 1")).isNotEqualTo(order);
    assertThat(order("How many Ärzte?SELECT", "1")).isNotEqualTo(order);
    assertThat(order(43, "How many Ärzte?", "SELECT 1")).isNotEqualTo(order);
  }

  @Test
  void the_order_is_the_same_on_every_machine() {
    // The first 8 bytes of SHA-256 over the seed and "\1hi\2hello", computed elsewhere.
    assertThat(order("Hi", "Hello")).isEqualTo(-4889346809473219335L);
  }

  @Test
  void a_sample_is_the_conversation_again() {
    Conversation conversation = conversation("ü\n😀", "");
    EncodedConversation sample = EncodedConversation.of(conversation);
    assertThat(sample.conversation()).isEqualTo(conversation);
    assertThat(sample.digest()).hasSize(32);
  }

  @Test
  void buckets_are_ranges_of_the_order_and_sparks_hash_finds_them() {
    for (int count : new int[] {1, 2, 7, 63, 200}) {
      Buckets buckets = Buckets.of(count);
      assertThat(buckets.bucketOf(Long.MIN_VALUE)).isZero();
      assertThat(buckets.bucketOf(Long.MAX_VALUE)).isEqualTo(count - 1);
      List<Integer> ascending =
          LongStream.generate(new Random(1)::nextLong)
              .limit(1000)
              .sorted()
              .mapToObj(buckets::bucketOf)
              .toList();
      assertThat(ascending).isSorted();
      assertThat(IntStream.range(0, count + 1))
          .allSatisfy(
              bucket ->
                  assertThat(
                          Math.floorMod(
                              Murmur3_x86_32.hashInt(buckets.slot(bucket), 42), count + 1))
                      .isEqualTo(bucket));
    }
  }

  @Test
  void fractions_are_rounded_up_and_counted_in_decimals() {
    assertThat(Selection.rows(new TestSize.Fraction(0.2), 12_500)).isEqualTo(2_500);
    assertThat(Selection.rows(new TestSize.Fraction(0.07), 100)).isEqualTo(7);
    assertThat(Selection.rows(new TestSize.Fraction(0.2), 11)).isEqualTo(3);
    assertThat(Selection.rows(new TestSize.Rows(5), 11)).isEqualTo(5);
  }

  @Test
  void parts_add_up_and_none_is_larger_than_its_whole() {
    Random random = new Random(5);
    for (int i = 0; i < 200; i++) {
      Map<Stratum, Long> sizes = new TreeMap<>();
      for (int s = 0; s < 1 + random.nextInt(9); s++) {
        sizes.put(new Stratum(InputFile.Origin.INPUT, "", "s" + s), (long) random.nextInt(50));
      }
      long sum = sizes.values().stream().mapToLong(Long::longValue).sum();
      long total = sum == 0 ? 0 : random.nextLong(sum + 1);
      Map<Stratum, Long> parts = Selection.apportioned(total, sizes);
      assertThat(parts.values().stream().mapToLong(Long::longValue).sum()).isEqualTo(total);
      sizes.forEach((stratum, size) -> assertThat(parts.get(stratum)).isBetween(0L, size));
    }
  }

  @Test
  void splits_end_where_counting_row_by_row_ends_them() {
    Random random = new Random(7);
    for (int round = 0; round < 100; round++) {
      int buckets = 1 + random.nextInt(9);
      BucketCounts first = new BucketCounts(buckets);
      BucketCounts second = new BucketCounts(buckets);
      long[][] rows = new long[3][buckets];
      Map<Stratum, Selection.Share> shares = new TreeMap<>();
      for (int s = 0; s < rows.length; s++) {
        Stratum stratum = new Stratum(InputFile.Origin.INPUT, "", "ß" + s);
        for (int bucket = 0; bucket < buckets; bucket++) {
          rows[s][bucket] = random.nextInt(3) * random.nextInt(200);
          long part = random.nextLong(rows[s][bucket] + 1);
          first.add(stratum, bucket, part);
          second.add(stratum, bucket, rows[s][bucket] - part);
        }
        long all = LongStream.of(rows[s]).sum();
        long test = random.nextLong(all + 1);
        shares.put(stratum, new Selection.Share(test, random.nextLong(all - test + 1)));
      }
      BucketCounts read = new BucketCounts(buckets);
      read.add(first.encoded());
      read.add(second.encoded());
      Selection selection = new Selection(shares, read.ends(shares));
      shares.forEach(
          (stratum, share) -> {
            long[] counts = rows[stratum.value().charAt(1) - '0'];
            assertThat(read.totals().getOrDefault(stratum, 0L))
                .isEqualTo(LongStream.of(counts).sum());
            long position = 0;
            for (int bucket = 0; bucket < buckets; bucket++) {
              for (long row = 0; row < counts[bucket]; row++, position++) {
                Optional<Selection.Split> expected =
                    position < share.test()
                        ? Optional.of(Selection.Split.TEST)
                        : position < share.test() + share.train()
                            ? Optional.of(Selection.Split.TRAIN)
                            : Optional.empty();
                assertThat(selection.splitOf(stratum, bucket, row)).isEqualTo(expected);
              }
            }
          });
    }
  }

  @Test
  void what_the_driver_and_the_tasks_are_sent_does_not_grow_with_buckets_times_strata()
      throws IOException {
    int buckets = 8192;
    Map<Stratum, Selection.Share> shares = new HashMap<>();
    BucketCounts bucketCounts = new BucketCounts(buckets);
    for (int s = 0; s < ReadCounts.MOST_STRATA; s++) {
      Stratum stratum = new Stratum(InputFile.Origin.INPUT, "", "value " + s);
      for (int bucket = 0; bucket < buckets; bucket++) {
        bucketCounts.add(stratum, bucket, 1);
      }
      shares.put(stratum, new Selection.Share(buckets / 5, buckets / 2));
    }
    ReadCounts counts = new ReadCounts();
    counts.samples(bucketCounts.totals());
    assertThat(counts.encoded()).hasSizeLessThan(200_000);
    ByteArrayOutputStream selection = new ByteArrayOutputStream();
    new ObjectOutputStream(selection).writeObject(new Selection(shares, bucketCounts.ends(shares)));
    assertThat(selection.size()).isLessThan(500_000);
  }

  @Test
  void too_many_strata_are_counted_no_further() {
    ReadCounts all = new ReadCounts();
    for (int task = 0; task < 3; task++) {
      BucketCounts counts = new BucketCounts(1);
      for (int s = 0; s < 5000; s++) {
        counts.add(new Stratum(InputFile.Origin.INPUT, "", task + "/" + s), 0, 1);
      }
      ReadCounts one = new ReadCounts();
      one.samples(counts.totals());
      all.add(one);
    }
    assertThat(all.tooManyStrata()).isTrue();
    assertThat(all.samples()).hasSize(ReadCounts.MOST_STRATA + 1);
  }

  @Test
  void rejections_are_ordered_by_file_split_and_row() {
    InputFile a = file(0, 100);
    InputFile b = file(1, 0);
    InputFile c = file(2, 1L << 40);
    DeadLetterRow.Order order = DeadLetterRow.Order.of(List.of(a, b, c));
    assertThat(
            List.of(
                order.of(new InputRows.Position(0, 0, 1), 0),
                order.of(new InputRows.Position(0, 0, 99), 0),
                order.of(new InputRows.Position(0, 1, 1), 99),
                order.of(new InputRows.Position(1, 0, 1), 0),
                order.of(new InputRows.Position(2, 0, 1), 0),
                order.of(new InputRows.Position(2, 0, 1_000_000), 0),
                order.of(new InputRows.Position(2, 8, 1), 1L << 39)))
        .isSorted()
        .doesNotHaveDuplicates();
  }

  private static InputFile file(int index, long length) {
    return new InputFile(
        index,
        0,
        "file:/" + index,
        "",
        InputFile.Origin.INPUT,
        InputFile.Format.JSON,
        InputFile.Compression.NONE,
        length,
        CsvFormat.RFC_4180);
  }
}
