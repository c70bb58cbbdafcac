package org.sparkfinetune.config;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.testing.Fuzz;
import org.sparkfinetune.testing.Fuzz.Share;

final class ConfigFuzzTest {
  private final ConfigLoader loader = new ConfigLoader(new Configuration(false));
  @TempDir Path folder;

  /** Reads the file. */
  private interface Load {
    Loaded<?> from(Optional<String> file);
  }

  @Test
  void a_damaged_training_configuration_is_read_or_refused() throws Exception {
    damaged("train/llama3-70b-qlora.yaml", Share.ALL, file -> loader.train(file, List.of()));
  }

  @Test
  void a_damaged_preparing_configuration_is_read_or_refused() throws Exception {
    damaged("prepare/no-robots.yaml", Share.TENTH, file -> loader.prepare(file, List.of()));
  }

  private void damaged(String shipped, Share share, Load load) throws Exception {
    Path file = folder.resolve("damaged.yaml");
    Fuzz.run(
        Files.readAllBytes(Path.of("../conf", shipped)),
        share,
        input -> {
          Files.write(file, input);
          load.from(Optional.of(file.toString()));
        });
  }
}
