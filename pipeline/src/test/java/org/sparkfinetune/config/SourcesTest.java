package org.sparkfinetune.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;
import org.sparkfinetune.errors.UserError;

/** The key {@code sources}. */
class SourcesTest {
  private static final String TWO =
      """
      output: out
      sources:
        - name: sql
          dataset: sql-create-context
          input: [a.jsonl, table:lake.sql]
          weight: 0.7
        - name: notes
          dataset: template
          template: {user: "{q}", assistant: "{a}"}
          input: b.csv
          delimiter: ;
          num_samples: 500
      """;

  @TempDir Path folder;

  private Loaded<PrepareConfig> load(String yaml, String... arguments) throws IOException {
    Path file = Files.writeString(folder.resolve("prepare.yaml"), yaml);
    return new ConfigLoader(new Configuration())
        .prepare(Optional.of(file.toString()), List.of(arguments));
  }

  @Test
  void every_key_of_a_source_is_its_own() throws IOException {
    Loaded<PrepareConfig> loaded = load(TWO);
    assertThat(loaded.config().isMixture()).isTrue();
    assertThat(loaded.config().read()).isEqualTo(loaded.config().sources()).hasSize(2);
    Source sql = loaded.config().sources().get(0);
    assertThat(sql.input()).containsExactly("a.jsonl", "table:lake.sql");
    assertThat(sql.weight()).contains(0.7);
    assertThat(sql.csv()).isEqualTo(CsvFormat.RFC_4180);
    Source notes = loaded.config().sources().get(1);
    assertThat(notes.dataset()).isEqualTo(DatasetKind.TEMPLATE);
    assertThat(notes.csv().delimiter()).isEqualTo(";");
    assertThat(notes.numSamples()).isEqualTo(OptionalLong.of(500));
    assertThat(load(loaded.yaml()).config()).isEqualTo(loaded.config());
  }

  @Test
  void the_command_line_takes_them_as_yaml() throws IOException {
    assertThat(
            load("output: out", "--sources", "[{name: a, dataset: messages, input: x.jsonl}]")
                .config()
                .sources())
        .extracting(Source::name)
        .containsExactly("a");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "name: a, dataset: messages | input: paths, hub:owner/name",
        "name: a, input: x | a source needs these keys",
        "name: a/b, dataset: messages, input: x | name is a/b; allowed: letters, digits",
        "name: a, dataset: message, input: x | dataset is message; allowed: sql-create-context",
        "name: a, dataset: messages, input: x, wieght: 2 | unknown key wieght; did you mean weight?",
        "name: a, dataset: messages, input: x, weight: 0 | weight is 0; allowed: a number from",
        "name: a, dataset: messages, input: x, weight: 1, num_samples: 2 | keep one of the two",
        "name: a, dataset: template, input: x | template is missing",
      })
  void what_is_wrong_in_a_source_is_named_with_its_line(String source, String message) {
    assertThatThrownBy(() -> load("output: out\nsources:\n  - {%s}\n".formatted(source)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(folder + "/prepare.yaml:")
        .hasMessageContaining(message);
  }

  @Test
  void keys_that_tell_how_rows_are_read_stand_in_a_source() {
    assertThatThrownBy(() -> load(TWO + "dataset: messages\ninput: c.jsonl\ndelimiter: tab\n"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(
            "sources is given, and dataset, input, delimiter, quote or escape too");
    assertThatThrownBy(() -> load("output: out\ninput: x\n"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("prepare needs dataset");
    assertThatThrownBy(() -> load(TWO.replace("name: notes", "name: sql")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("two of the name sql");
    assertThatThrownBy(() -> load("output: out\nsources: [a, b]\n"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("allowed: a list of mappings with the keys name, dataset, input");
  }
}
