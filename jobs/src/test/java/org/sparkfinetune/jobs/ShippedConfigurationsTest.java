package org.sparkfinetune.jobs;

import static org.assertj.core.api.Assertions.assertThatCode;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.config.ConfigLoader;

final class ShippedConfigurationsTest {
  private final ConfigLoader loader = new ConfigLoader(new Configuration());

  @ParameterizedTest
  @MethodSource("prepareFiles")
  void every_prepare_configuration_loads(Path file) {
    assertThatCode(() -> loader.prepare(Optional.of(file.toUri().toString()), List.of()))
        .doesNotThrowAnyException();
  }

  @ParameterizedTest
  @MethodSource("trainFiles")
  void every_train_configuration_loads(Path file) {
    assertThatCode(() -> loader.train(Optional.of(file.toUri().toString()), List.of()))
        .doesNotThrowAnyException();
  }

  static Stream<Path> prepareFiles() throws IOException {
    return yamlFiles("prepare");
  }

  static Stream<Path> trainFiles() throws IOException {
    return yamlFiles("train");
  }

  private static Stream<Path> yamlFiles(String folder) throws IOException {
    try (Stream<Path> files =
        Files.list(Path.of("..", "conf", folder).toAbsolutePath().normalize())) {
      return files.filter(file -> file.toString().endsWith(".yaml")).sorted().toList().stream();
    }
  }
}
