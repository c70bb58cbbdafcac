package org.sparkfinetune.sample;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ShippedSampleTest {
  private static final Path SHIPPED = Path.of("");
  @TempDir private static Path made;

  @BeforeAll
  static void make() {
    SampleMaker.write(made);
  }

  @Test
  void rows_tokenizer_and_shape_are_what_the_command_makes() {
    for (String file :
        new String[] {
          "rows.jsonl",
          "new-databases.jsonl",
          "preferences.jsonl",
          "model/tokenizer.json",
          "model/tokenizer_config.json",
          "model/config.json"
        }) {
      assertThat(made.resolve(file)).hasSameBinaryContentAs(SHIPPED.resolve(file));
    }
  }

  @Test
  void all_of_it_is_under_8_megabytes_and_the_model_under_6() throws IOException {
    assertThat(Files.size(SHIPPED.resolve("model/model.safetensors"))).isLessThan(6_000_000);
    try (Stream<Path> rows = Files.list(SHIPPED);
        Stream<Path> model = Files.list(SHIPPED.resolve("model"))) {
      List<Path> files =
          Stream.concat(rows.filter(file -> file.toString().endsWith(".jsonl")), model).toList();
      assertThat(files).hasSizeGreaterThanOrEqualTo(7);
      assertThat(files.stream().mapToLong(file -> file.toFile().length()).sum())
          .isLessThan(8_000_000);
    }
  }
}
