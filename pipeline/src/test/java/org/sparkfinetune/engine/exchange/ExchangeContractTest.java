package org.sparkfinetune.engine.exchange;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.engine.exchange.ExchangeStats.Traffic;
import org.sparkfinetune.engine.exchange.ProcessGroup.PeerLoss;
import org.sparkfinetune.engine.exchange.Shard.FileRange;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;

/** What every exchange promises, whatever carries the bytes. */
class ExchangeContractTest {
  @TempDir Path folder;
  private List<ProcessGroup> group = List.of();

  @AfterEach
  void closeGroup() {
    Groups.close(group);
  }

  @ParameterizedTest
  @EnumSource
  void every_rank_reads_every_shard(Groups.Kind kind) {
    group = kind.open(3);
    List<byte[]> shards = serveRandomShards(100_000);
    Groups.onAll(
        group,
        rank -> {
          for (int peer = 0; peer < 3; peer++) {
            ByteBuffer bytes = rank.await(rank.frozen(peer, 12_345, 50_001));
            assertThat(bytes.isDirect()).isTrue();
            assertThat(bytes.isReadOnly()).isTrue();
            assertThat(bytes.order()).isEqualTo(ByteOrder.LITTLE_ENDIAN);
            assertThat(array(bytes)).isEqualTo(slice(shards.get(peer), 12_345, 50_001));
            rank.recycle(bytes);
          }
          return 0;
        });
  }

  @ParameterizedTest
  @EnumSource
  void a_shard_is_read_whole_and_in_no_bytes(Groups.Kind kind) {
    group = kind.open(2);
    List<byte[]> shards = serveRandomShards(4097);
    assertThat(array(get(group.get(0), 1, 0, 4097))).isEqualTo(shards.get(1));
    assertThat(get(group.get(0), 1, 4097, 0).remaining()).isZero();
    assertThatThrownBy(() -> get(group.get(0), 1, 4000, 98))
        .isInstanceOf(Bug.class)
        .hasMessageContaining("[4000, 4098)")
        .hasMessageContaining("shard of 4097 bytes");
  }

  @ParameterizedTest
  @EnumSource
  void a_reader_may_ask_before_the_shard_is_served(Groups.Kind kind) throws IOException {
    group = kind.open(2);
    CompletableFuture<ByteBuffer> early = group.get(0).frozen(1, 1, 2);
    assertThat(early).isNotDone();
    Path file = Files.write(folder.resolve("late"), new byte[] {1, 2, 3, 4});
    group.get(1).serve(Shard.file(file));
    assertThat(array(group.get(0).await(early))).containsExactly(2, 3);
  }

  @ParameterizedTest
  @EnumSource
  void a_shard_may_be_ranges_of_several_files(Groups.Kind kind) throws IOException {
    group = kind.open(2);
    Path a = Files.write(folder.resolve("a"), new byte[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    Path b = Files.write(folder.resolve("b"), new byte[] {10, 11, 12, 13, 14, 15});
    group
        .get(1)
        .serve(
            new Shard(
                List.of(new FileRange(a, 2, 3), new FileRange(b, 1, 4), new FileRange(a, 8, 2))));
    assertThat(array(get(group.get(0), 1, 0, 9))).containsExactly(2, 3, 4, 11, 12, 13, 14, 8, 9);
    assertThat(array(get(group.get(0), 1, 4, 2))).containsExactly(12, 13);
    assertThat(array(get(group.get(1), 1, 2, 2))).containsExactly(4, 11);
  }

  @ParameterizedTest
  @EnumSource
  void a_published_version_reaches_readers_that_asked_before_and_after(Groups.Kind kind) {
    group = kind.open(2);
    CompletableFuture<ByteBuffer> early = group.get(0).published(1, "lora/0", 7);
    group.get(1).publish("lora/0", 6, direct(6));
    group.get(1).publish("lora/0", 7, direct(7, 8, 9));
    assertThat(array(group.get(0).await(early))).containsExactly(7, 8, 9);
    assertThat(array(group.get(0).await(group.get(0).published(1, "lora/0", 7))))
        .containsExactly(7, 8, 9);
    assertThat(array(group.get(1).await(group.get(1).published(1, "lora/0", 7))))
        .containsExactly(7, 8, 9);
  }

  @ParameterizedTest
  @EnumSource
  void what_was_withdrawn_is_not_given_and_its_owner_is_lost_to_the_reader(Groups.Kind kind) {
    group = kind.open(2);
    group.get(1).publish("lora/0", 1, direct(6));
    assertThat(group.get(1).withdraw()).isTrue();
    assertThatThrownBy(() -> group.get(0).await(group.get(0).published(1, "lora/0", 1)))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("is ending: it took back what it had published");
    assertThat(group.get(0).failure()).map(PeerLoss::rank).contains(1);
    assertThat(group.get(1).failure()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void sums_work_after_memory_was_withdrawn(Groups.Kind kind) {
    group = kind.open(2);
    group.get(1).publish("lora/0", 1, direct(6));
    group.get(0).await(group.get(0).published(1, "lora/0", 1));
    assertThat(Groups.onAll(group, ProcessGroup::withdraw)).containsExactly(true, true);
    assertThat(Groups.onAll(group, rank -> rank.sum("end", 0, new double[] {1})[0]))
        .containsExactly(2.0, 2.0);
  }

  @ParameterizedTest
  @EnumSource
  void a_version_that_was_replaced_is_refused(Groups.Kind kind) {
    group = kind.open(2);
    group.get(1).publish("lora", 2, direct(1));
    assertThatThrownBy(() -> group.get(0).await(group.get(0).published(1, "lora", 1)))
        .hasMessageContaining("'lora' version 1 was asked for after version 2 had replaced it");
    assertThatThrownBy(() -> group.get(1).publish("lora", 2, direct(1))).isInstanceOf(Bug.class);
  }

  @ParameterizedTest
  @EnumSource
  void contributions_come_in_rank_order_and_pushed_bytes_may_be_reused(Groups.Kind kind) {
    group = kind.open(3);
    for (int rank : new int[] {2, 0, 1}) {
      ByteBuffer bytes = direct(rank, rank + 10);
      group.get(rank).await(group.get(rank).push(1, "grad", 4, bytes));
      assertThat(bytes.remaining()).isEqualTo(2);
      bytes.put(0, (byte) 99);
    }
    List<ByteBuffer> contributions = group.get(1).await(group.get(1).pushed("grad", 4));
    assertThat(contributions.stream().map(ExchangeContractTest::array))
        .containsExactly(new byte[] {0, 10}, new byte[] {1, 11}, new byte[] {2, 12});
    contributions.forEach(group.get(1)::recycle);
  }

  @ParameterizedTest
  @EnumSource
  void an_empty_contribution_counts(Groups.Kind kind) {
    group = kind.open(2);
    group.forEach(rank -> rank.await(rank.push(0, "nothing", 0, direct())));
    assertThat(group.get(0).await(group.get(0).pushed("nothing", 0))).hasSize(2);
  }

  @ParameterizedTest
  @EnumSource
  void sums_are_equal_to_the_last_bit_and_in_rank_order(Groups.Kind kind) {
    group = kind.open(3);
    // (1e16 + 1) - 1e16 is 0, while 1e16 - 1e16 + 1 is 1: the order shows.
    double[][] values = {{1e16, 0.1}, {1.0, 0.2}, {-1e16, 0.3}};
    for (long version = 0; version < 50; version++) {
      long now = version;
      for (double[] sum : Groups.onAll(group, r -> r.sum("norm", now, values[r.rank()]))) {
        assertThat(sum).containsExactly(0.0, 0.1 + 0.2 + 0.3);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_rank_may_leave_right_after_a_sum(Groups.Kind kind) {
    for (int round = 0; round < 40; round++) {
      List<ProcessGroup> leaving = kind.open(3);
      List<double[]> sums =
          Groups.onAll(
              leaving,
              rank -> {
                try (rank) {
                  return rank.sum("end", 0, new double[] {rank.rank() + 1});
                }
              });
      assertThat(sums).allSatisfy(sum -> assertThat(sum).containsExactly(6.0));
    }
  }

  @ParameterizedTest
  @EnumSource
  void ranks_that_add_different_numbers_of_numbers_are_told(Groups.Kind kind) {
    group = kind.open(2);
    assertThatThrownBy(() -> Groups.onAll(group, r -> r.sum("norm", 0, new double[1 + r.rank()])))
        .hasCauseInstanceOf(Bug.class)
        .hasMessageContaining("to the sum 'norm'");
  }

  @ParameterizedTest
  @EnumSource
  void several_megabytes_arrive_unchanged(Groups.Kind kind) {
    group = kind.open(2);
    byte[] random = new byte[9_000_001];
    new Random(3).nextBytes(random);
    ByteBuffer bytes = ByteBuffer.allocateDirect(random.length).put(random).flip();
    group.get(0).publish("big", 1, bytes);
    ByteBuffer fetched = group.get(1).await(group.get(1).published(0, "big", 1));
    assertThat(array(fetched)).isEqualTo(random);
    group.get(1).await(group.get(1).push(0, "big", 1, fetched));
    group.get(0).await(group.get(0).push(0, "big", 1, bytes));
    assertThat(array(group.get(0).await(group.get(0).pushed("big", 1)).get(1))).isEqualTo(random);
  }

  @ParameterizedTest
  @EnumSource
  void an_abort_ends_every_wait_of_the_others_and_names_the_cause(Groups.Kind kind) {
    group = kind.open(3);
    CompletableFuture<ByteBuffer> waiting = group.get(0).published(2, "lora", 1);
    group.get(1).abort("OutOfMemoryError: Java heap space");
    assertThatThrownBy(() -> group.get(0).await(waiting))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("Rank 0 (")
        .hasMessageContaining("for rank 2 (")
        .hasMessageContaining("to publish 'lora' version 1")
        .hasMessageContaining("rank 1 (")
        .hasMessageContaining("failed: OutOfMemoryError: Java heap space")
        .hasMessageContaining("look at rank 1's own error first");
    assertThatThrownBy(() -> group.get(2).sum("later", 0, new double[1]))
        .isInstanceOf(RunFailure.class);
    assertThat(group.get(0).failure()).map(PeerLoss::rank).contains(1);
    assertThat(group.get(1).failure()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void waits_on_a_rank_that_left_fail_and_others_go_on(Groups.Kind kind) {
    group = kind.open(3);
    group.get(1).close();
    assertThatThrownBy(() -> group.get(0).await(group.get(0).published(1, "lora", 1)))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("has finished and left the group");
    group.get(2).publish("lora", 1, direct(5));
    assertThat(array(group.get(0).await(group.get(0).published(2, "lora", 1)))).containsExactly(5);
    assertThat(group.get(0).failure()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void an_interrupted_wait_ends(Groups.Kind kind) {
    group = kind.open(2);
    Thread.currentThread().interrupt();
    assertThatThrownBy(() -> group.get(0).await(group.get(0).published(1, "lora", 1)))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("interrupted");
    assertThat(Thread.interrupted()).isTrue();
  }

  @ParameterizedTest
  @EnumSource
  void what_moved_is_counted(Groups.Kind kind) {
    group = kind.open(2);
    serveRandomShards(1000);
    get(group.get(0), 1, 0, 1000);
    Groups.onAll(group, r -> r.sum("x", 0, new double[2]));
    ExchangeStats stats = group.get(0).stats();
    boolean mapped = kind == Groups.Kind.MAPPED || kind == Groups.Kind.IN_PROCESS;
    assertThat(stats.bytes(Traffic.MAPPED)).isEqualTo(mapped ? 1000 : 0);
    assertThat(stats.bytes(Traffic.FROZEN)).isEqualTo(mapped ? 0 : 1000);
    assertThat(group.get(1).stats().bytes(Traffic.SERVED)).isEqualTo(mapped ? 0 : 1000);
    assertThat(stats.bytes(Traffic.PUSHED)).isPositive();
    assertThat(stats.secondsWaited()).isPositive();
  }

  private List<byte[]> serveRandomShards(int size) {
    List<byte[]> shards = new ArrayList<>();
    Random random = new Random(1);
    for (ProcessGroup rank : group) {
      byte[] bytes = new byte[size];
      random.nextBytes(bytes);
      shards.add(bytes);
      try {
        rank.serve(Shard.file(Files.write(folder.resolve("shard-" + rank.rank()), bytes)));
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    }
    return shards;
  }

  private static ByteBuffer get(ProcessGroup rank, int peer, long offset, int length) {
    return rank.await(rank.frozen(peer, offset, length));
  }

  static ByteBuffer direct(int... bytes) {
    ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length);
    for (int value : bytes) {
      buffer.put((byte) value);
    }
    return buffer.flip();
  }

  static byte[] array(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return bytes;
  }

  private static byte[] slice(byte[] bytes, int from, int count) {
    byte[] part = new byte[count];
    System.arraycopy(bytes, from, part, 0, count);
    return part;
  }
}
