package org.sparkfinetune.model.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

final class SafetensorsFileTest {
  private static final List<TensorSpec> SPECS =
      List.of(
          new TensorSpec("weight", DType.F32, 2, 3),
          new TensorSpec("scalar", DType.I64),
          new TensorSpec("none", DType.BF16, 0, 4),
          new TensorSpec("bytes", DType.U8, 5));

  @TempDir Path folder;

  /**
   * The local disk under another scheme, so that nothing may take the short cut for local files.
   */
  public static final class ElsewhereFileSystem extends RawLocalFileSystem {
    @Override
    public URI getUri() {
      return URI.create("elsewhere:///");
    }
  }

  private static Store conf() {
    Store store = new Store(new Configuration());
    store
        .hadoop()
        .setClass(
            "fs.elsewhere.impl", ElsewhereFileSystem.class, org.apache.hadoop.fs.FileSystem.class);
    return store;
  }

  private org.apache.hadoop.fs.Path path(String scheme, String name) {
    return new org.apache.hadoop.fs.Path(scheme + "://" + folder.resolve(name));
  }

  private static ByteBuffer data() {
    ByteBuffer data = ByteBuffer.allocate(37).order(ByteOrder.LITTLE_ENDIAN);
    IntStream.range(0, 6).forEach(i -> data.putFloat(i + 0.5f));
    return data.putLong(-9).put(new byte[] {1, 2, 3, 4, 5}).flip();
  }

  private org.apache.hadoop.fs.Path written(String scheme) {
    org.apache.hadoop.fs.Path path = path(scheme, "x.safetensors");
    try (SafetensorsWriter writer =
        SafetensorsWriter.create(path, conf(), Map.of("format", "pt"), SPECS)) {
      ByteBuffer data = data();
      writer.write(data.slice(0, 7));
      writer.write(data.slice(7, 30));
      writer.commit();
    }
    return path;
  }

  @ParameterizedTest
  @ValueSource(strings = {"file", "elsewhere"})
  void reads_back_what_was_written_whole_and_in_ranges(String scheme) {
    try (SafetensorsFile file = SafetensorsFile.open(written(scheme), conf())) {
      assertThat(file.tensors().keySet()).containsExactly("weight", "scalar", "none", "bytes");
      assertThat(file.metadata()).isEqualTo(Map.of("format", "pt"));
      assertThat(file.info("weight").shape()).containsExactly(2, 3);
      assertThat(file.info("scalar").elements()).isEqualTo(1);
      ByteBuffer two = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
      file.read("weight", 8, two);
      assertThat(two.getFloat(0)).isEqualTo(2.5f);
      ByteBuffer direct = ByteBuffer.allocateDirect(3);
      file.read("bytes", 2, direct);
      assertThat(direct.get(2)).isEqualTo((byte) 5);
      file.read("none", 0, ByteBuffer.allocate(0));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"file", "elsewhere"})
  void nothing_is_visible_before_the_commit_and_nothing_left_without_it(String scheme)
      throws IOException {
    try (SafetensorsWriter writer =
        SafetensorsWriter.create(path(scheme, "y"), conf(), Map.of(), SPECS)) {
      writer.write(data().limit(10));
      assertThat(folder.resolve("y")).doesNotExist();
      assertThatThrownBy(writer::commit).isInstanceOf(Bug.class).hasMessageContaining("10 bytes");
    }
    try (Stream<Path> left = Files.list(folder)) {
      assertThat(left).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"file", "elsewhere"})
  void a_new_file_replaces_an_old_one(String scheme) throws IOException {
    Files.writeString(folder.resolve("x.safetensors"), "old");
    SafetensorsFile.open(written(scheme), conf()).close();
    try (Stream<Path> left = Files.list(folder)) {
      assertThat(left).containsExactly(folder.resolve("x.safetensors"));
    }
  }

  @Test
  void maps_and_locates_tensors_of_local_files_only() throws IOException {
    try (SafetensorsFile file = SafetensorsFile.open(written("file"), conf())) {
      assertThat(file.map("weight").orElseThrow().getFloat(20)).isEqualTo(5.5f);
      assertThat(file.map("weight", 4, 4).orElseThrow().getFloat(0)).isEqualTo(1.5f);
      FileRange range = file.locate("bytes").orElseThrow();
      byte[] all = Files.readAllBytes(range.file());
      assertThat(range.length()).isEqualTo(5);
      assertThat(all[(int) range.position()]).isEqualTo((byte) 1);
      assertThat(file.map("bytes").orElseThrow().isReadOnly()).isTrue();
    }
    try (SafetensorsFile file = SafetensorsFile.open(written("elsewhere"), conf())) {
      assertThat(file.map("weight")).isEmpty();
      assertThat(file.locate("weight")).isEmpty();
    }
  }

  @Test
  void header_is_padded_to_eight_bytes_and_begins_with_the_metadata() throws IOException {
    written("file");
    byte[] bytes = Files.readAllBytes(folder.resolve("x.safetensors"));
    int length = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
    String header = new String(bytes, 8, length, StandardCharsets.UTF_8);
    assertThat(length % 8).isZero();
    assertThat(header)
        .startsWith(
            "{\"__metadata__\":{\"format\":\"pt\"},\"weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},");
  }

  @Test
  void reference_order_is_wide_types_first_and_then_names() {
    List<TensorSpec> specs =
        List.of(
            new TensorSpec("b", DType.U8, 1),
            new TensorSpec("z", DType.BF16, 1),
            new TensorSpec("b", DType.F32, 1),
            new TensorSpec("a", DType.F32, 1));
    assertThat(TensorSpec.inReferenceOrder(specs))
        .extracting(spec -> spec.name() + spec.dtype())
        .containsExactly("aF32", "bF32", "zBF16", "bU8");
  }

  @Test
  void asking_for_a_tensor_that_is_not_there_is_the_users_error_and_a_wrong_range_ours() {
    try (SafetensorsFile file = SafetensorsFile.open(written("file"), conf())) {
      assertThatThrownBy(() -> file.info("wait"))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("x.safetensors has no tensor 'wait'");
      assertThatThrownBy(() -> file.read("bytes", 1, ByteBuffer.allocate(5)))
          .isInstanceOf(Bug.class)
          .hasMessageContaining("[1, 6) of bytes, which has 5");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"file", "elsewhere"})
  void a_pointer_of_git_lfs_is_called_so(String scheme) throws IOException {
    Files.copy(
        Path.of("src", "test", "resources", "cases", "lfs-pointer.safetensors"),
        folder.resolve("model.safetensors"));
    assertThatThrownBy(() -> SafetensorsFile.open(path(scheme, "model.safetensors"), conf()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("model.safetensors is a Git LFS pointer, not the file")
        .hasMessageContaining("git lfs pull");
  }

  @ParameterizedTest
  @ValueSource(strings = {"file", "elsewhere"})
  void a_missing_file_is_named(String scheme) {
    assertThatThrownBy(() -> SafetensorsFile.open(path(scheme, "nowhere.safetensors"), conf()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("nowhere.safetensors does not exist");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}} | 'a' appears twice
          {"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}      | 'a' has 'dtype' twice
          {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,7]}}                    | 'a' has 7 bytes (data_offsets [0, 7]), but F32 [2] needs 8
          {"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}                   | 'a' has '-2' in shape, expected 0 to 2^63-1
          {"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}} | 'a' has '99999999999999999999' in shape
          {"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}| 'a' has the shape [4294967296, 4294967296], too large to exist
          {"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,8]}}  | too large to exist
          {"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}                    | 'a' has the data_offsets [8, 0], expected [begin, end]
          {"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}                      | 'a' has the data_offsets [0], expected [begin, end]
          {"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,8]}}                     | 'a' has the dtype 'Q4'; supported are [F64, F32
          {"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}                  | 'a.shape' holds VALUE_NUMBER_FLOAT, expected VALUE_NUMBER_INT
          {"a":{"shape":[2],"data_offsets":[0,8]}}                                  | 'a' has no dtype
          {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}              | 'a' has the key 'x'; known are
          {"__metadata__":{"k":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} | '__metadata__.k' holds VALUE_NUMBER_INT
          {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}} | has an overlap before tensor 'b': it begins at byte 2 of the data, expected 4
          {"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}                    | has a hole before tensor 'a': it begins at byte 4 of the data, expected 0
          {"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}                   | is cut off: tensor 'a' ends at byte 12 of the data, but there are only 8
          {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}                    | has 8 bytes of data, but its tensors need 4
          {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} x                  | header
          [1]                                                                       | does not begin with '{'
          {"a":                                                                     | header that is not JSON
          """)
  void each_broken_rule_is_named(String header, String message) throws IOException {
    Path file = folder.resolve("broken.safetensors");
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    Files.write(
        file,
        ByteBuffer.allocate(8 + json.length + 8)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(json.length)
            .put(json)
            .array());
    assertThatThrownBy(() -> SafetensorsFile.open(path("file", "broken.safetensors"), conf()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("broken.safetensors")
        .hasMessageContaining(message);
  }
}
