package org.sparkfinetune.model.family;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.NamedShape;
import org.sparkfinetune.model.safetensors.SafetensorsWriter;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.model.safetensors.TensorSpec;
import org.sparkfinetune.store.Store;

/** A head in the file of a model whose config.json says that it has none. */
class ModelFolderTest {
  private static final Path TIED = Path.of("src/test/resources/golden/variants/tied");
  private static final Store STORE = new Store(new Configuration(false));

  @TempDir Path folder;

  @Test
  void a_head_that_differs_from_the_embedding_is_a_weight_of_its_own() throws IOException {
    withHead(1);
    try (ModelFolder model = open()) {
      assertThat(model.config().tieWordEmbeddings()).isFalse();
      assertThat(model.weights()).extracting(NamedShape::name).contains(DecoderWeights.LM_HEAD);
    }
  }

  @Test
  void a_head_that_is_the_embedding_is_none() throws IOException {
    withHead(0);
    try (ModelFolder model = open()) {
      assertThat(model.config().tieWordEmbeddings()).isTrue();
      assertThat(model.weights())
          .extracting(NamedShape::name)
          .doesNotContain(DecoderWeights.LM_HEAD);
    }
  }

  private ModelFolder open() {
    return ModelFolder.open(path(folder), STORE);
  }

  private static org.apache.hadoop.fs.Path path(Path path) {
    return new org.apache.hadoop.fs.Path(path.toAbsolutePath().toUri());
  }

  /** The tied model with its embedding as head, whose last byte has {@code change} added. */
  private void withHead(int change) throws IOException {
    Files.copy(TIED.resolve("config.json"), folder.resolve("config.json"));
    try (Checkpoint tied = Checkpoint.open(path(TIED), STORE)) {
      List<TensorSpec> specs = new ArrayList<>();
      List<ByteBuffer> contents = new ArrayList<>();
      for (String name : tied.names()) {
        add(tied, name, name, specs, contents);
      }
      add(tied, DecoderWeights.EMBED_TOKENS, DecoderWeights.LM_HEAD, specs, contents);
      ByteBuffer head = contents.get(contents.size() - 1);
      head.put(head.limit() - 1, (byte) (head.get(head.limit() - 1) + change));
      try (SafetensorsWriter out =
          SafetensorsWriter.create(
              path(folder.resolve("model.safetensors")), STORE, Map.of("format", "pt"), specs)) {
        contents.forEach(out::write);
        out.commit();
      }
    }
  }

  private static void add(
      Checkpoint from, String name, String to, List<TensorSpec> specs, List<ByteBuffer> contents) {
    TensorInfo info = from.info(name);
    specs.add(new TensorSpec(to, info.dtype(), info.shape()));
    ByteBuffer bytes = ByteBuffer.allocate((int) info.byteCount());
    from.read(name, 0, bytes);
    contents.add(bytes.flip());
  }
}
