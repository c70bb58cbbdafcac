package org.sparkfinetune.model.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

final class CheckpointTest {
  private static final List<TensorSpec> SPECS =
      List.of(
          new TensorSpec("a", DType.U8, 10),
          new TensorSpec("b", DType.U8, 10),
          new TensorSpec("c", DType.U8, 50),
          new TensorSpec("d", DType.U8, 3));

  private final Store store = new Store(new Configuration());
  @TempDir Path folder;

  private org.apache.hadoop.fs.Path hadoopFolder() {
    return new org.apache.hadoop.fs.Path(folder.toUri());
  }

  private void write(long maxShardSize) {
    ByteBuffer data = ByteBuffer.allocate(73);
    for (int i = 0; i < 73; i++) {
      data.put((byte) i);
    }
    try (ShardedSafetensorsWriter writer =
        ShardedSafetensorsWriter.create(hadoopFolder(), store, Map.of(), SPECS, maxShardSize)) {
      writer.write(data.flip().slice(0, 5));
      writer.write(data.slice(5, 68));
      writer.commit();
    }
  }

  private void all_is_read_back() {
    try (Checkpoint checkpoint = Checkpoint.open(hadoopFolder(), store)) {
      assertThat(checkpoint.names()).containsExactly("a", "b", "c", "d");
      ByteBuffer two = ByteBuffer.allocate(2);
      checkpoint.read("c", 48, two);
      assertThat(two.array()).containsExactly(68, 69);
      assertThat(checkpoint.info("d").shape()).containsExactly(3);
      assertThat(checkpoint.map("b").orElseThrow().get(9)).isEqualTo((byte) 19);
    }
  }

  @Test
  void small_weights_are_one_file_without_an_index() {
    write(1000);
    assertThat(folder.resolve("model.safetensors")).exists();
    assertThat(folder.resolve(Checkpoint.INDEX)).doesNotExist();
    all_is_read_back();
  }

  @Test
  void shards_hold_at_most_the_given_bytes_but_for_a_larger_tensor() throws IOException {
    write(20);
    assertThat(Files.readString(folder.resolve(Checkpoint.INDEX)))
        .isEqualTo(
            """
            {
              "metadata": {
                "total_size": 73
              },
              "weight_map": {
                "a": "model-00001-of-00003.safetensors",
                "b": "model-00001-of-00003.safetensors",
                "c": "model-00002-of-00003.safetensors",
                "d": "model-00003-of-00003.safetensors"
              }
            }
            """);
    all_is_read_back();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../model.safetensors",
        "/etc/x.safetensors",
        "sub/x.safetensors",
        "s3a:x.safetensors",
        "x.bin",
        "..\\\\x.safetensors",
        ".safetensors"
      })
  void an_index_cannot_lead_out_of_its_folder(String file) throws IOException {
    Files.writeString(
        folder.resolve(Checkpoint.INDEX), "{\"weight_map\":{\"w\":\"" + file + "\"}}");
    assertThatThrownBy(() -> Checkpoint.open(hadoopFolder(), store))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("puts tensor 'w' into")
        .hasMessageContaining("in the same folder");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "{",
        "[]",
        "{}",
        "{\"weight_map\":[]}",
        "{\"weight_map\":{\"a\":1}}",
        "{\"weight_map\":{\"a\":\"x.safetensors\",\"a\":\"y.safetensors\"}}",
        "{\"weight_map\":{}}"
      })
  void a_broken_index_is_named(String json) throws IOException {
    Files.writeString(folder.resolve(Checkpoint.INDEX), json);
    assertThatThrownBy(() -> Checkpoint.open(hadoopFolder(), store))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(Checkpoint.INDEX);
  }

  @Test
  void a_missing_shard_and_a_tensor_missing_in_its_shard_are_named() throws IOException {
    write(20);
    Files.delete(folder.resolve("model-00003-of-00003.safetensors"));
    assertThatThrownBy(() -> Checkpoint.open(hadoopFolder(), store))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("model-00003-of-00003.safetensors does not exist");
    Files.copy(
        folder.resolve("model-00002-of-00003.safetensors"),
        folder.resolve("model-00003-of-00003.safetensors"));
    assertThatThrownBy(() -> Checkpoint.open(hadoopFolder(), store))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("model-00003-of-00003.safetensors has no tensor 'd'");
  }

  @Test
  void a_folder_without_safetensors_says_what_is_read() {
    assertThatThrownBy(() -> Checkpoint.open(hadoopFolder(), store))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("neither model.safetensors nor model.safetensors.index.json");
  }
}
