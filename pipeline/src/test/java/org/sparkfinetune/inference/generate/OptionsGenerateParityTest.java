package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.store.Store;

/** What decoding with PEFT's adapters with options thinks of each token of a row, as PEFT. */
final class OptionsGenerateParityTest {
  private static final Store STORE = new Store(new Configuration(false));
  private static final Path VARIANTS =
      Path.of("src/test/resources/golden/variants").toAbsolutePath();

  private static org.apache.hadoop.fs.Path path(String file) {
    return new org.apache.hadoop.fs.Path(VARIANTS.resolve(file).toUri());
  }

  static int[] firstOfRow(int count) {
    try (Checkpoint rows = Checkpoint.openFile(path("rows.safetensors"), STORE)) {
      ByteBuffer bytes = ByteBuffer.allocate(count * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      rows.read("input_ids", 0, bytes);
      int[] ids = new int[count];
      Arrays.setAll(ids, i -> (int) bytes.getLong(i * Long.BYTES));
      return ids;
    }
  }

  @ParameterizedTest
  @CsvSource({
    "patterns, biased, AS_STORED",
    "bias, biased, AS_STORED",
    "bias-alone, tied, AS_STORED",
    "dora, biased, AS_STORED",
    "dora-nf4, tied, NF4_FLOAT32",
    "tokens, biased, AS_STORED",
    "tokens-tied, tied, AS_STORED"
  })
  void every_token_is_as_likely_as_in_peft(String name, String model, BaseForm form)
      throws Exception {
    JsonNode golden =
        new ObjectMapper().readTree(VARIANTS.resolve("options/losses.json").toFile()).path(name);
    assertThat(golden).isNotEmpty();
    DecodingModel decoding =
        DecodingModel.load(
            path(model), Optional.of(path("options/" + name + ".start")), form, STORE, 1);
    try (Generator generator = new Generator(decoding, 2, 8)) {
      double[] losses = generator.losses(firstOfRow(golden.size() + 1));
      for (int i = 0; i < golden.size(); i++) {
        double theirs = golden.get(i).asDouble();
        assertThat(losses[i + 1]).as("token %d", i + 1).isCloseTo(theirs, within(1e-5 * theirs));
      }
    }
  }
}
