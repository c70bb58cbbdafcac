package org.sparkfinetune.engine.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.Contents;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.RunIdentity;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.store.Store;

class CheckpointStoreTest {
  private static final RunIdentity IDENTITY = new RunIdentity(Map.of("seed", "42"));
  private final Store disk = new Store(new Configuration());
  @TempDir Path folder;
  private CheckpointStore store;

  @BeforeEach
  void open() {
    store = new CheckpointStore(RunFolder.of(folder.toString()), disk);
  }

  /** Ranks of 8 values each: rank r holds 8r, 8r + 1, ... */
  private void save(long step, int ranks) {
    List<StateFile> files = new ArrayList<>();
    for (int rank = 0; rank < ranks; rank++) {
      files.add(StateFile.write(store.writing(step), disk, rank, ranks, parts(rank)));
    }
    store.commit(
        new CheckpointManifest(
            step, 8, IDENTITY, Map.of("loss_sum", 0.1 + 0.2), Contents.WHOLE_STATE, files));
  }

  private static List<StateFile.Part> parts(int rank) {
    ByteBuffer values = ByteBuffer.allocate(8 * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < 8; i++) {
      values.putFloat(rank * 8 + i);
    }
    return List.of(new StateFile.Part("parameters/layer", DType.F32, List.of(values.flip())));
  }

  private Path file(long step, String name) {
    return folder.resolve("checkpoints/step-%08d".formatted(step)).resolve(name);
  }

  @Test
  void what_was_saved_is_found_again_with_full_precision() {
    save(5, 2);
    CheckpointStore.Found found = store.newestWhole().orElseThrow();
    assertThat(found.manifest().step()).isEqualTo(5);
    assertThat(found.manifest().worldSize()).isEqualTo(2);
    assertThat(found.manifest().counters()).containsEntry("loss_sum", 0.1 + 0.2);
    assertThat(found.manifest().identity()).isEqualTo(IDENTITY);
  }

  @Test
  void any_range_is_read_across_ranks_and_padded_with_zeros() {
    save(5, 3);
    CheckpointStore.Found found = store.newestWhole().orElseThrow();
    try (SavedState state = SavedState.open(found.path(), found.manifest(), disk)) {
      ByteBuffer out = ByteBuffer.allocate(21 * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      state.read("parameters/layer", DType.F32, 6, out);
      float[] values = new float[21];
      out.flip().asFloatBuffer().get(values);
      assertThat(values).startsWith(6, 7, 8, 9).endsWith(21, 22, 23, 0, 0, 0);
      assertThatThrownBy(() -> state.read("parameters/other", DType.F32, 0, out))
          .isInstanceOf(UserError.class);
    }
  }

  @Test
  void until_the_manifest_is_there_nothing_is_visible_and_a_sweep_removes_it() throws IOException {
    StateFile.write(store.writing(5), disk, 0, 1, parts(0));
    assertThat(store.newest()).isEmpty();
    assertThat(store.newestWhole()).isEmpty();
    store.sweep();
    try (var left = Files.list(folder.resolve("checkpoints"))) {
      assertThat(left).isEmpty();
    }
  }

  @Test
  void only_the_newest_are_kept() {
    for (long step = 1; step <= 5; step++) {
      save(step, 1);
      store.prune(2, OptionalLong.empty());
    }
    assertThat(folder.resolve("checkpoints").toFile().list())
        .containsExactlyInAnyOrder("step-00000004", "step-00000005");
  }

  @Test
  void a_flipped_bit_a_cut_a_lost_file_are_named_and_the_one_before_is_taken() throws IOException {
    save(1, 2);
    Random random = new Random(7);
    for (int damage = 0; damage < 60; damage++) {
      save(2, 2);
      Path file = file(2, "rank-0000%d-of-00002.safetensors".formatted(damage % 2));
      byte[] bytes = Files.readAllBytes(file);
      switch (damage % 3) {
        case 0 -> bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
        case 1 -> bytes = java.util.Arrays.copyOf(bytes, random.nextInt(bytes.length));
        default -> bytes = java.util.Arrays.copyOf(bytes, bytes.length + 1);
      }
      Files.write(file, bytes);
      assertThat(store.newestWhole().orElseThrow().manifest().step()).isEqualTo(1);
      assertThatThrownBy(() -> store.open(new org.apache.hadoop.fs.Path(file(2, "").toString())))
          .isInstanceOf(UserError.class)
          .hasMessageContaining(file.getFileName().toString());
    }
    Files.delete(file(2, "rank-00001-of-00002.safetensors"));
    assertThat(store.newestWhole().orElseThrow().manifest().step()).isEqualTo(1);
  }

  @Test
  void mutated_manifests_are_errors_of_ours_or_harmless() throws IOException {
    save(1, 2);
    byte[] good = Files.readAllBytes(file(1, "manifest.json"));
    Random random = new Random(3);
    for (int i = 0; i < 500; i++) {
      byte[] bad = good.clone();
      for (int flips = 0; flips <= random.nextInt(3); flips++) {
        bad[random.nextInt(bad.length)] = (byte) random.nextInt(256);
      }
      Files.write(file(1, "manifest.json"), bad);
      try {
        store.newestWhole();
        store.open(new org.apache.hadoop.fs.Path(file(1, "").toString()));
      } catch (UserError | RunFailure expected) {
        assertThat(expected).hasMessageContaining("step-00000001");
      }
    }
  }

  @Test
  void another_runs_values_are_listed_one_by_one() {
    RunIdentity now = new RunIdentity(Map.of("seed", "43", "lora_r", "8"));
    assertThat(IDENTITY.differences(now))
        .containsExactly(
            "lora_r: not set in the checkpoint, 8 now", "seed: 42 in the checkpoint, 43 now");
  }

  @Test
  void going_back_leaves_later_ones_in_a_folder_of_their_own() {
    save(1, 1);
    save(2, 1);
    save(3, 1);
    RunFolder aside = store.goBackTo(found(1)).orElseThrow();
    assertThat(aside.root().getName()).isEqualTo("set-aside-1");
    assertThat(Path.of(aside.checkpoints().toString()).toFile().list())
        .containsExactlyInAnyOrder("about.txt", "step-00000002", "step-00000003");
    assertThat(store.newestWhole().orElseThrow().manifest().step()).isEqualTo(1);
    assertThat(store.origin()).isEmpty();
    assertThat(store.goBackTo(found(1))).as("nothing is left to set aside").isEmpty();
    save(2, 1);
    assertThat(store.goBackTo(found(1)).orElseThrow().root().getName()).isEqualTo("set-aside-2");
  }

  private CheckpointStore.Found found(long step) {
    return store.open(new org.apache.hadoop.fs.Path(file(step, "").toString()));
  }

  @Test
  void going_back_to_a_checkpoint_of_another_folder_leaves_all_and_remembers_it(
      @TempDir Path elsewhere) throws IOException {
    save(2, 1);
    Path other = elsewhere.resolve("step-00000002");
    Files.move(file(2, ""), other);
    save(1, 1);
    save(3, 1);
    CheckpointStore.Found start = store.open(new org.apache.hadoop.fs.Path(other.toString()));
    assertThat(store.goBackTo(start)).isPresent();
    assertThat(store.newest()).isEmpty();
    assertThat(store.origin()).hasValue(start.path());
    store.clear();
    assertThat(store.origin()).isEmpty();
  }

  @Test
  void a_link_to_a_checkpoint_of_this_folder_is_one_of_this_folder(@TempDir Path elsewhere)
      throws IOException {
    save(1, 1);
    save(2, 1);
    Path link = Files.createSymbolicLink(elsewhere.resolve("link"), file(1, ""));
    store.goBackTo(store.open(new org.apache.hadoop.fs.Path(link.toString())));
    assertThat(store.newest()).hasValue(1);
    assertThat(store.origin()).isEmpty();
  }

  @Test
  void all_are_deleted_when_a_run_begins_again() {
    save(1, 1);
    store.clear();
    assertThat(store.newest()).isEmpty();
  }
}
