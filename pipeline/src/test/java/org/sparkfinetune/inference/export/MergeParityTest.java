package org.sparkfinetune.inference.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.export.Merge.MergeRequest;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.store.Store;

/** Against PEFT's {@code merge_and_unload} and bitsandbytes' dequantised weights. */
final class MergeParityTest {
  private static final Store STORE = new Store(new Configuration(false));
  private static final Path GOLDEN = Path.of("src/test/resources/golden").toAbsolutePath();

  @TempDir Path folder;

  private MergeRequest request(Optional<String> adapter, MergeBase base, DType type, long shard) {
    return new MergeRequest(
        path(GOLDEN.resolve("model")),
        adapter.map(name -> path(GOLDEN.resolve(name))),
        path(folder.resolve("merged")),
        base,
        Optional.of(type),
        shard);
  }

  private static org.apache.hadoop.fs.Path path(Path path) {
    return new org.apache.hadoop.fs.Path(path.toUri());
  }

  private static float[] floats(Checkpoint checkpoint, String name) {
    TensorInfo info = checkpoint.info(name);
    ByteBuffer bytes = ByteBuffer.allocate((int) info.byteCount());
    checkpoint.read(name, 0, bytes);
    float[] values = new float[(int) info.elements()];
    Floats.toFloats(info.dtype(), bytes.flip(), values, 0, values.length);
    return values;
  }

  @Test
  void equals_what_peft_merges() {
    new Merge(STORE)
        .run(
            request(
                Optional.of("trajectory-lora-float32.adapter"),
                MergeBase.SIXTEEN_BIT,
                DType.F32,
                1L << 30));

    try (Checkpoint ours = Checkpoint.open(path(folder.resolve("merged")), STORE);
        Checkpoint golden =
            Checkpoint.openFile(path(GOLDEN.resolve("merged-float32.safetensors")), STORE)) {
      assertThat(golden.names()).isNotEmpty();
      for (String name : golden.names()) {
        assertThat(distance(floats(ours, name), floats(golden, name))).as(name).isLessThan(1e-6);
      }
    }
  }

  private static double distance(float[] left, float[] right) {
    assertThat(left).hasSameSizeAs(right);
    double largest = 0;
    for (int i = 0; i < left.length; i++) {
      largest = Math.max(largest, Math.abs(left[i] - right[i]));
    }
    return largest;
  }

  @Test
  void a_dequantised_base_differs_from_the_checkpoint_by_less_than_a_step_of_nf4() {
    new Merge(STORE).run(request(Optional.empty(), MergeBase.DEQUANTIZED, DType.F32, 1L << 30));

    try (Checkpoint ours = Checkpoint.open(path(folder.resolve("merged")), STORE);
        Checkpoint base = Checkpoint.open(path(GOLDEN.resolve("model")), STORE)) {
      String linear = "model.layers.1.mlp.down_proj.weight";
      float[] before = floats(base, linear);
      float[] after = floats(ours, linear);
      float largest = 0;
      for (float value : before) {
        largest = Math.max(largest, Math.abs(value));
      }
      assertThat(distance(after, before)).isBetween(1e-5, 0.2 * largest);
      assertThat(floats(ours, "model.embed_tokens.weight"))
          .isEqualTo(floats(base, "model.embed_tokens.weight"));
    }
  }

  @Test
  void shards_are_no_larger_than_asked_and_the_folder_is_a_whole_model() throws IOException {
    new Merge(STORE)
        .run(
            request(
                Optional.of("trajectory-lora-float32.adapter"),
                MergeBase.SIXTEEN_BIT,
                DType.BF16,
                300_000));

    List<Path> shards;
    try (var files = Files.list(folder.resolve("merged"))) {
      shards = files.filter(file -> file.toString().endsWith(".safetensors")).toList();
    }
    assertThat(shards).hasSizeGreaterThan(2);
    for (Path shard : shards) {
      assertThat(Files.size(shard)).isLessThan(310_000);
    }
    var config = new ObjectMapper().readTree(folder.resolve("merged/config.json").toFile());
    assertThat(config.path("torch_dtype").asText()).isEqualTo("bfloat16");
    try (Checkpoint ours = Checkpoint.open(path(folder.resolve("merged")), STORE);
        Checkpoint base = Checkpoint.open(path(GOLDEN.resolve("model")), STORE)) {
      assertThat(ours.names()).isEqualTo(base.names());
      assertThat(ours.info("model.norm.weight").dtype()).isEqualTo(DType.BF16);
    }
  }

  /** Hadoop's local file system would leave a hidden checksum beside every file. */
  @Test
  void nothing_but_the_model_and_its_tokenizer_is_in_the_folder() {
    Path sample = Path.of("../jobs/sample/model").toAbsolutePath().normalize();

    new Merge(STORE)
        .run(
            new MergeRequest(
                path(sample),
                Optional.empty(),
                path(folder.resolve("merged")),
                MergeBase.SIXTEEN_BIT,
                Optional.empty(),
                1L << 30));

    assertThat(folder.resolve("merged").toFile().list())
        .containsExactlyInAnyOrder(
            "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json");
  }

  @Test
  void a_folder_with_something_in_it_is_not_written_to() throws IOException {
    Files.createDirectories(folder.resolve("merged"));
    Files.writeString(folder.resolve("merged/mine.txt"), "mine");

    assertThatThrownBy(
            () ->
                new Merge(STORE)
                    .run(request(Optional.empty(), MergeBase.SIXTEEN_BIT, DType.F32, 1000)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("not empty");
  }
}
