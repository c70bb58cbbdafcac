package org.sparkfinetune.engine.checkpoint;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.RunIdentity;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.Fuzz;
import org.sparkfinetune.testing.Fuzz.Share;

class CheckpointFuzzTest {
  private final Store disk = new Store(new Configuration(false));
  @TempDir Path folder;
  private CheckpointStore store;
  private Path step;

  @BeforeEach
  void save() {
    store = new CheckpointStore(RunFolder.of(folder.toString()), disk);
    ByteBuffer values = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
    List<StateFile.Part> parts =
        List.of(new StateFile.Part("parameters/layer", DType.F32, List.of(values)));
    List<StateFile> files =
        IntStream.range(0, 2)
            .mapToObj(rank -> StateFile.write(store.writing(3), disk, rank, 2, parts))
            .toList();
    store.commit(
        new CheckpointManifest(
            3,
            8,
            new RunIdentity(Map.of("seed", "42")),
            Map.of("loss_sum", 0.3),
            CheckpointManifest.Contents.WHOLE_STATE,
            files));
    step = folder.resolve("checkpoints/step-00000003");
  }

  private void read() {
    CheckpointStore.Found found = store.open(new org.apache.hadoop.fs.Path(step.toUri()));
    try (SavedState state = SavedState.open(found.path(), found.manifest(), disk)) {
      state.read("parameters/layer", DType.F32, 0, ByteBuffer.allocate(128));
    }
  }

  @Test
  void a_damaged_manifest_is_read_or_refused() throws Exception {
    Path file = step.resolve("manifest.json");
    Fuzz.run(
        Files.readAllBytes(file),
        Share.ALL,
        input -> {
          Files.write(file, input);
          read();
        });
  }

  @Test
  void a_damaged_state_file_whose_checksum_fits_is_read_or_refused() throws Exception {
    Path file = step.resolve("rank-00001-of-00002.safetensors");
    CheckpointManifest manifest =
        store.open(new org.apache.hadoop.fs.Path(step.toUri())).manifest();
    Fuzz.run(
        Files.readAllBytes(file),
        Share.TENTH,
        input -> {
          Files.write(file, input);
          try (SavedState state =
              SavedState.open(new org.apache.hadoop.fs.Path(step.toUri()), manifest, disk)) {
            state.read("parameters/layer", DType.F32, 0, ByteBuffer.allocate(128));
          }
        });
  }
}
