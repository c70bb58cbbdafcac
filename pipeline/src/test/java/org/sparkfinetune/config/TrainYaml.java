package org.sparkfinetune.config;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.sparkfinetune.config.ConfigLoader.Loaded;

/** Configurations of train in a test's folder. */
final class TrainYaml {
  static final String REQUIRED =
      """
      model_id: /models/llama
      dataset_path: data
      output_dir: runs/one
      """;

  private TrainYaml() {}

  static Loaded<TrainConfig> load(Path folder, String yaml, String... arguments) {
    Path file = folder.resolve("train.yaml");
    try {
      Files.writeString(file, yaml);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new ConfigLoader(new Configuration())
        .train(Optional.of(file.toString()), List.of(arguments));
  }
}
