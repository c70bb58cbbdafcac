package org.sparkfinetune.engine.fsdp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.NamedShape;
import org.sparkfinetune.testing.ChildJvm;

class ShardStoreTest {
  private static final int GROUPS = 4;
  private static final long WEIGHTS = 300 * 128;
  private static final int NORM = 33;
  private static final double KEEP_FREE = 0;
  private static final double EVICT_ALL = 1;

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

  @Test
  void what_a_rank_serves_is_deleted_by_no_other_run_in_this_process_or_another() throws Exception {
    Path file;
    try (Running serving = start("key", new Weights(Long.MAX_VALUE), 2, KEEP_FREE)) {
      file = serving.files().get(0);
      evictInThisProcess();
      evictInAnother();
      assertThat(file).exists();
      assertThat(serving.files().get(1)).exists();
    }
    evictInAnother();
    assertThat(file).doesNotExist();
  }

  @Test
  void what_a_rank_found_there_is_its_own_as_well() throws Exception {
    run("key", Long.MAX_VALUE);
    try (Running serving = start("key", new Weights(Long.MAX_VALUE), 2, KEEP_FREE)) {
      evictInAnother();
      assertThat(serving.files()).allSatisfy(file -> assertThat(file).exists());
    }
    evictInThisProcess();
    assertThat(file("key", 0)).doesNotExist();
  }

  @Test
  void what_a_rank_is_filling_is_deleted_by_no_other_run() throws Exception {
    AtomicBoolean once = new AtomicBoolean();
    Weights weights =
        new Weights(Long.MAX_VALUE) {
          @Override
          void reading() {
            if (Files.exists(beside(file("key", 0), ".groups"))
                && once.compareAndSet(false, true)) {
              evictInAnother();
            }
          }
        };
    try (Running serving = start("key", weights, 2, KEEP_FREE)) {
      assertThat(once).isTrue();
      assertThat(serving.files()).contains(file("key", 0)).allSatisfy(f -> assertThat(f).exists());
    }
  }

  @Test
  void what_a_dead_run_left_unfinished_goes_when_room_is_needed() throws Exception {
    assertThatThrownBy(() -> run("key", 5 * WEIGHTS + 2 * NORM))
        .isInstanceOf(CompletionException.class);
    assertThat(file("key", 0)).exists();
    evictInAnother();
    assertThat(file("key", 0)).doesNotExist();
    assertThat(beside(file("key", 0), ".groups")).doesNotExist();
  }

  @Test
  void a_damaged_shard_that_another_run_serves_is_left_to_it() throws Exception {
    try (Running serving = start("key", new Weights(Long.MAX_VALUE), 2, KEEP_FREE)) {
      Path file = serving.files().get(1);
      byte[] bad = Files.readAllBytes(file);
      bad[bad.length / 2] ^= 1;
      Files.write(file, bad);
      try (Running other = start("key", new Weights(Long.MAX_VALUE), 2, KEEP_FREE)) {
        assertThat(other.files()).containsExactly(scratch(0), scratch(1));
        assertThat(file).hasBinaryContent(bad);
      }
    }
    assertThat(run("key", Long.MAX_VALUE)).containsExactly(file("key", 0), file("key", 1));
  }

  @Test
  void what_others_keep_in_the_folder_breaks_no_run() throws Exception {
    run("other", Long.MAX_VALUE);
    Path store = folder.resolve("store");
    Files.createDirectories(store.resolve("a-0-of-2.shard.crc32c/inside"));
    Files.createDirectories(store.resolve("b-0-of-2.shard/inside"));
    Files.createDirectories(store.resolve("key-0-of-7.shard"));
    Files.createSymbolicLink(store.resolve("c-0-of-2.shard"), folder.resolve("nowhere"));
    Files.createDirectories(beside(file("key", 0), ".crc32c.new/inside"));
    Files.writeString(store.resolve("notes.txt"), "x");
    try (Running serving = start("key", new Weights(Long.MAX_VALUE), 2, EVICT_ALL)) {
      assertThat(serving.files()).containsExactly(file("key", 0), file("key", 1));
    }
    assertThat(store.resolve("a-0-of-2.shard.crc32c/inside")).exists();
    assertThat(store.resolve("b-0-of-2.shard/inside")).exists();
    assertThat(store.resolve("notes.txt")).exists();
    assertThat(file("other", 0)).doesNotExist();
  }

  @Test
  void a_folder_that_cannot_be_made_costs_no_run() throws Exception {
    Files.writeString(folder.resolve("store"), "a file");
    assertThat(run("key", Long.MAX_VALUE)).containsExactly(scratch(0), scratch(1));
  }

  private void evictInThisProcess() throws IOException {
    Eviction.in(folder.resolve("store"));
  }

  private void evictInAnother() {
    try {
      Process other =
          new ProcessBuilder(
                  ChildJvm.command(
                      ChildJvm.SHORT_LIVED, Eviction.class, folder.resolve("store").toString()))
              .redirectErrorStream(true)
              .redirectOutput(ChildJvm.log(ShardStoreTest.class))
              .start();
      assertThat(other.waitFor()).isZero();
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private Path file(String key, int rank) {
    return folder.resolve("store/%s-%d-of-2.shard".formatted(key, rank));
  }

  private static Path beside(Path file, String suffix) {
    return file.resolveSibling(file.getFileName() + suffix);
  }

  private Path scratch(int rank) {
    return folder.resolve("scratch-" + rank);
  }

  /** Two ranks' files; reading fails after so many weights of both. */
  private List<Path> run(String key, long most) {
    return run(key, most, 2);
  }

  private List<Path> run(String key, long most, int ranks) {
    try (Running run = start(key, new Weights(most), ranks, KEEP_FREE)) {
      return run.files();
    }
  }

  /** A model whose weights can be read so often. */
  private class Weights implements WeightSource {
    private final long most;

    Weights(long most) {
      this.most = most;
    }

    void reading() {}

    @Override
    public void read(String name, long first, float[] to, int count) {
      reading();
      if (read.addAndGet(count) > most) {
        throw new UncheckedIOException(new IOException("cut off"));
      }
      for (int i = 0; i < count; i++) {
        to[i] = (float) Math.sin((first + i) * 0.37 + name.hashCode());
      }
    }
  }

  /** Ranks that serve their files until they are closed. */
  private record Running(List<ShardStore> stores, List<Path> files) implements AutoCloseable {
    @Override
    public void close() {
      stores.forEach(ShardStore::close);
    }
  }

  private Running start(String key, WeightSource source, int ranks, double free) {
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
    List<ProcessGroup> exchanges = InProcessGroup.group(ranks, ExchangeSettings.defaults());
    List<ShardStore> stores = new ArrayList<>();
    List<CompletableFuture<Path>> files = new ArrayList<>();
    for (ProcessGroup exchange : exchanges) {
      ShardStore store = new ShardStore(folder.resolve("store"), key, InstantSource.system(), free);
      stores.add(store);
      files.add(file(store, new ShardPlan(groups, ShardRanks.all(exchange)), source, exchange));
    }
    try {
      return new Running(stores, files.stream().map(CompletableFuture::join).toList());
    } catch (CompletionException e) {
      // The first that fails ends the others soon, which still hold their leases.
      files.forEach(file -> file.handle((path, failure) -> path).join());
      stores.forEach(ShardStore::close);
      throw e;
    }
  }

  private CompletableFuture<Path> file(
      ShardStore store, ShardPlan plan, WeightSource source, ProcessGroup exchange) {
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
