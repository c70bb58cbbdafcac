package org.sparkfinetune.model.family;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.testing.Fuzz;
import org.sparkfinetune.testing.Fuzz.Share;

final class DecoderConfigFuzzTest {
  @Test
  void a_damaged_model_configuration_is_read_or_refused() throws Exception {
    byte[] valid = Files.readAllBytes(Path.of("../jobs/sample/model/config.json"));
    Fuzz.run(
        valid,
        Share.ALL,
        input ->
            DecoderConfigReader.read(new String(input, StandardCharsets.UTF_8), "config.json"));
  }
}
