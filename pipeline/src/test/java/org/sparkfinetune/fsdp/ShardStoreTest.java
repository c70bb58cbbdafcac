package org.sparkfinetune.fsdp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.exchange.Exchange;
import org.sparkfinetune.exchange.ExchangeSettings;
import org.sparkfinetune.exchange.InProcessExchange;
import org.sparkfinetune.quant.Nf4Codec;
import org.sparkfinetune.tensor.NamedShape;

class ShardStoreTest {
  private static final int GROUPS = 4;
  private static final long WEIGHTS = 300 * 128;
  private static final int NORM = 33;

  @TempDir Path folder;
  private final AtomicLong read = new AtomicLong();

  @Test
  void a_second_run_reads_no_weights_and_finds_the_same_bytes() throws IOException {
    List<Path> first = run("key", Long.MAX_VALUE);
    byte[] bytes = Files.readAllBytes(first.get(0));
    read.set(0);
    assertThat(run("key", Long.MAX_VALUE)).isEqualTo(first);
    assertThat(read).hasValue(0);
    assertThat(first.get(0)).hasBinaryContent(bytes);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 5})
  void another_number_of_ranks_cuts_its_shards_from_those_that_are_there(int ranks)
      throws IOException {
    run("key", Long.MAX_VALUE);
    List<Path> fresh = run("other", Long.MAX_VALUE, ranks);
    read.set(0);
    List<Path> cut = run("key", Long.MAX_VALUE, ranks);
    assertThat(read).hasValue(0);
    for (int rank = 0; rank < ranks; rank++) {
      assertThat(cut.get(rank)).hasBinaryContent(Files.readAllBytes(fresh.get(rank)));
    }
  }

  @Test
  void shards_of_other_ranks_that_are_damaged_are_not_used() throws IOException {
    Path damaged = run("key", Long.MAX_VALUE).get(1);
    byte[] bytes = Files.readAllBytes(damaged);
    bytes[7] ^= 1;
    Files.write(damaged, bytes);
    List<Path> fresh = run("other", Long.MAX_VALUE, 3);
    read.set(0);
    assertThat(run("key", Long.MAX_VALUE, 3).get(2))
        .hasBinaryContent(Files.readAllBytes(fresh.get(2)));
    assertThat(read.get()).isPositive();
  }

  @Test
  void another_key_is_another_file() {
    assertThat(run("other", Long.MAX_VALUE))
        .doesNotContainAnyElementsOf(run("key", Long.MAX_VALUE));
  }

  @Test
  void a_flipped_bit_is_noticed_and_the_file_made_again() throws IOException {
    Path file = run("key", Long.MAX_VALUE).get(1);
    byte[] good = Files.readAllBytes(file);
    byte[] bad = good.clone();
    bad[bad.length / 2] ^= 1;
    Files.write(file, bad);
    assertThat(run("key", Long.MAX_VALUE).get(1)).isEqualTo(file).hasBinaryContent(good);
  }

  @Test
  void loading_that_was_cut_off_goes_on_where_all_ranks_are() throws IOException {
    byte[] good = Files.readAllBytes(run("whole", Long.MAX_VALUE).get(0));
    read.set(0);
    // Two passes over each group: the third group fails in its first.
    assertThatThrownBy(() -> run("key", 5 * WEIGHTS + 2 * NORM))
        .isInstanceOf(CompletionException.class);
    read.set(0);
    Path file = run("key", Long.MAX_VALUE).get(0);
    assertThat(file).hasBinaryContent(good);
    assertThat(read.get()).isBetween(2 * WEIGHTS, 3 * (2 * WEIGHTS + NORM));
  }

  @Test
  void a_file_that_another_process_fills_is_left_alone() throws IOException {
    Path file = run("key", Long.MAX_VALUE).get(0);
    Files.delete(file);
    Path lock = file.resolveSibling(file.getFileName() + ".lock");
    try (FileChannel channel = FileChannel.open(lock, StandardOpenOption.WRITE)) {
      assertThat(channel.lock().isValid()).isTrue();
      assertThat(run("key", Long.MAX_VALUE).get(0)).isEqualTo(scratch(0)).exists();
      assertThat(file).doesNotExist();
    }
  }

  private Path scratch(int rank) {
    return folder.resolve("scratch-" + rank);
  }

  /** Two ranks' files; reading fails after so many weights of both. */
  private List<Path> run(String key, long most) {
    return run(key, most, 2);
  }

  private List<Path> run(String key, long most, int ranks) {
    Map<String, FrozenLayout> groups = new LinkedHashMap<>();
    for (int group = 0; group < GROUPS; group++) {
      groups.put(
          "g" + group,
          new FrozenLayout(
              List.of(NamedShape.of("q" + group, 300, 128)),
              List.of(NamedShape.of("norm" + group, NORM)),
              PlainType.FLOAT32,
              ranks));
    }
    WeightSource source =
        (name, first, to, count) -> {
          if (read.addAndGet(count) > most) {
            throw new UncheckedIOException(new IOException("cut off"));
          }
          for (int i = 0; i < count; i++) {
            to[i] = (float) Math.sin((first + i) * 0.37 + name.hashCode());
          }
        };
    List<Exchange> exchanges = InProcessExchange.group(ranks, ExchangeSettings.defaults());
    List<CompletableFuture<Path>> files =
        exchanges.stream().map(exchange -> file(key, groups, source, exchange)).toList();
    return files.stream().map(CompletableFuture::join).toList();
  }

  private CompletableFuture<Path> file(
      String key, Map<String, FrozenLayout> groups, WeightSource source, Exchange exchange) {
    ShardPlan plan = new ShardPlan(groups, ShardRanks.all(exchange));
    ShardStore store = new ShardStore(folder.resolve("store"), key, InstantSource.system());
    ShardWriter writer = new ShardWriter(plan, source, exchange, Nf4Codec.fastest());
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return store.file(plan, writer, exchange, scratch(exchange.rank()));
          } catch (RuntimeException e) {
            exchange.abort("test");
            throw e;
          }
        },
        task -> new Thread(task).start());
  }
}
