package org.sparkfinetune.config;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.testing.Fuzz;
import org.sparkfinetune.testing.Fuzz.Share;

final class ConfigFuzzTest {
  private final ConfigLoader loader = new ConfigLoader(new Configuration(false));
  @TempDir Path folder;

  @Test
  void a_damaged_training_configuration_is_read_or_refused() throws Exception {
    Path file = folder.resolve("train.yaml");
    Fuzz.run(
        Files.readAllBytes(Path.of("../conf/train/llama3-70b-qlora.yaml")),
        Share.ALL,
        input -> {
          Files.write(file, input);
          loader.train(Optional.of(file.toString()), List.of());
        });
  }

  @Test
  void a_damaged_preparing_configuration_is_read_or_refused() throws Exception {
    Path file = folder.resolve("prepare.yaml");
    Fuzz.run(
        Files.readAllBytes(Path.of("../conf/prepare/no-robots.yaml")),
        Share.TENTH,
        input -> {
          Files.write(file, input);
          loader.prepare(Optional.of(file.toString()), List.of());
        });
  }
}
