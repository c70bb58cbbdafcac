package org.sparkfinetune.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.spark.unsafe.hash.Murmur3_x86_32;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.TestSize;
import org.sparkfinetune.conversation.Conversation;
import org.sparkfinetune.conversation.Message;
import org.sparkfinetune.conversation.Role;

final class OrderAndSelectionTest {
  private static SampleCoder coded(long seed, String user, String assistant) {
    SampleCoder coder = new SampleCoder(seed);
    coder.encode(
        new Conversation(
            List.of(new Message(Role.USER, user), new Message(Role.ASSISTANT, assistant))));
    return coder;
  }

  private static long order(String user, String assistant) {
    return coded(42, user, assistant).order();
  }

  @Test
  void case_width_and_white_space_make_no_difference_to_the_order() {
    long order = order("How many Ärzte?", "SELECT 1");
    assertThat(order(" how  many\n\tärzte? ", "select 1")).isEqualTo(order);
    assertThat(order("ｈow many A\u0308rzte?", "SELECT\u00a01")).isEqualTo(order);
    assertThat(order("How many Arzte?", "SELECT 1")).isNotEqualTo(order);
    assertThat(order("How many Ärzte?SELECT", "1")).isNotEqualTo(order);
    assertThat(coded(43, "How many Ärzte?", "SELECT 1").order()).isNotEqualTo(order);
  }

  @Test
  void the_order_is_the_same_on_every_machine() {
    // The first 8 bytes of SHA-256 over the seed and "\1hi\2hello", computed elsewhere.
    assertThat(order("Hi", "Hello")).isEqualTo(-4889346809473219335L);
  }

  @Test
  void a_sample_is_the_conversation_again() {
    Sample sample = new Sample(coded(1, "ü\n😀", "").body());
    assertThat(sample.conversation())
        .isEqualTo(
            new Conversation(
                List.of(new Message(Role.USER, "ü\n😀"), new Message(Role.ASSISTANT, ""))));
    assertThat(sample.id()).hasSize(20);
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
        sizes.put(new Stratum(InputFile.Origin.INPUT, "s" + s), (long) random.nextInt(50));
      }
      long sum = sizes.values().stream().mapToLong(Long::longValue).sum();
      long total = sum == 0 ? 0 : random.nextLong(sum + 1);
      Map<Stratum, Long> parts = Selection.apportioned(total, sizes);
      assertThat(parts.values().stream().mapToLong(Long::longValue).sum()).isEqualTo(total);
      sizes.forEach((stratum, size) -> assertThat(parts.get(stratum)).isBetween(0L, size));
    }
  }

  @Test
  void rejections_are_ordered_by_file_split_and_row() {
    InputFile a = file(0, 100);
    InputFile b = file(1, 0);
    InputFile c = file(2, 1L << 40);
    FileOrder order = FileOrder.of(List.of(a, b, c));
    assertThat(
            List.of(
                order.order(new Place(0, 0, 1), 0),
                order.order(new Place(0, 0, 99), 0),
                order.order(new Place(0, 1, 1), 99),
                order.order(new Place(1, 0, 1), 0),
                order.order(new Place(2, 0, 1), 0),
                order.order(new Place(2, 0, 1_000_000), 0),
                order.order(new Place(2, 8, 1), 1L << 39)))
        .isSorted()
        .doesNotHaveDuplicates();
  }

  private static InputFile file(int index, long length) {
    return new InputFile(
        index,
        "file:/" + index,
        InputFile.Origin.INPUT,
        InputFile.Format.JSON,
        InputFile.Compression.NONE,
        length);
  }
}
