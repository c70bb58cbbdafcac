package org.sparkfinetune.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.errors.UserError;

class SparkSourceTest {
  private static final String REQUIRED = "dataset: messages\noutput: out\n";

  @TempDir Path folder;

  private Loaded<PrepareConfig> load(String lines, String... arguments) {
    Path file = folder.resolve("prepare.yaml");
    try {
      Files.writeString(file, REQUIRED + lines);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return ConfigLoader.ofUser(new Configuration())
        .prepare(Optional.of(file.toString()), List.of(arguments));
  }

  @Test
  void without_its_keys_there_are_none() {
    assertThat(load("input: table:a.b.c").config().source()).isEqualTo(SparkSource.NONE);
    assertThat(load("input: table:a.b.c").config().input()).containsExactly("table:a.b.c");
  }

  @Test
  void every_key_reaches_the_record_and_the_resolved_file_gives_it_again() {
    Loaded<PrepareConfig> sql = load("sql: |\n  SELECT *\n  FROM t\nexclude_ids: [a, b]");
    assertThat(sql.config().source().sql()).contains("SELECT *\nFROM t\n");
    assertThat(sql.config().input()).isEmpty();
    assertThat(sql.config().excludeIds()).containsExactly("a", "b");
    Loaded<PrepareConfig> jdbc =
        load("format: jdbc\noptions: {url: 'jdbc:sqlite:x', dbtable: t, fetchsize: 100}");
    assertThat(jdbc.config().source())
        .isEqualTo(
            new SparkSource(
                Optional.empty(),
                Optional.of("jdbc"),
                Optional.of(Map.of("url", "jdbc:sqlite:x", "dbtable", "t", "fetchsize", "100"))));
    for (Loaded<PrepareConfig> loaded : List.of(sql, jdbc)) {
      Path again = folder.resolve("again.yaml");
      try {
        Files.writeString(again, loaded.yaml());
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      assertThat(
              new ConfigLoader(new Configuration())
                  .prepare(Optional.of(again.toString()), List.of())
                  .config())
          .isEqualTo(loaded.config());
    }
  }

  @Test
  void the_command_line_has_them_too() {
    PrepareConfig config =
        load("", "--format", "orc", "--input", "a", "--options", "{mergeSchema: true}").config();
    assertThat(config.source().options()).contains(Map.of("mergeSchema", "true"));
    assertThat(load("", "--sql", "SELECT 1").config().source().sql()).contains("SELECT 1");
  }

  @Test
  void an_output_is_a_folder_a_table_or_both() {
    assertThat(load("input: a").config().output())
        .isEqualTo(new PrepareConfig.Output("out", Optional.empty()));
    assertThat(load("input: a", "--output", "table:c.`d-e`.n").config().output())
        .isEqualTo(new PrepareConfig.Output("c.d-e.n", Optional.of("c.`d-e`.n")));
    Loaded<PrepareConfig> both = load("input: a", "--output", "table:c.d.n", "data/x");
    assertThat(both.config().output())
        .isEqualTo(new PrepareConfig.Output("data/x", Optional.of("c.d.n")));
    assertThat(load("input: a").yaml()).contains("output: \"out\"");
    assertThat(both.yaml()).contains("output:\n- \"data/x\"\n- \"table:c.d.n\"");
    for (String[] bad :
        new String[][] {{"a", "b"}, {"table:a", "table:b"}, {"table:"}, {"", "table:"}}) {
      List<String> arguments = new ArrayList<>(List.of(bad));
      arguments.add(0, "--output");
      assertThatThrownBy(() -> load("input: a", arguments.toArray(String[]::new)))
          .isInstanceOf(UserError.class)
          .hasMessageContaining(
              "allowed: a path or a Hadoop URI, table:catalog.database.name, or both");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      textBlock =
          """
          seed: 1                           | prepare needs input: paths, hub:owner/name or table:catalog.database.name; or sql: a query
          format: orc                       | prepare needs input: paths,
          {input: [a, b], sql: SELECT 1}    | input is a, b, and sql is given too; keep one of the two
          {format: orc, sql: SELECT 1}      | format is orc, but sql is given: a query names what it reads
          {input: a, options: {password: s}} | options has the key(s) password, but no format says whose they are
          {format: orc, input: hub:a/b}     | format is orc, but hub:a/b is on a hub
          {format: orc, input: a, test_input: hub:a/b} | format is orc, but hub:a/b is on a hub
          """)
  void what_does_not_go_together_is_named(String lines, String message) {
    String yaml = lines.startsWith("{") ? lines.substring(1, lines.length() - 1) : lines;
    String broken = yaml.replaceAll(", (sql|options|input|test_input):", "\n$1:");
    assertThatThrownBy(() -> load(broken))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          sql: ""                          | sql is ""; allowed: a query that begins with SELECT or WITH
          format: [a, b]                   | format is [a, b]; allowed: the name of a data source
          options: {}                      | options is {}; allowed: a mapping of options to texts
          options: {a: [1]}                | options is {a: [1]}; allowed: a mapping
          exclude_ids: [""]                | exclude_ids is [""]; allowed: ids of conversations, or a file
          """)
  void a_bad_value_is_named_with_what_is_allowed(String line, String message) {
    assertThatThrownBy(() -> load("input: a\n" + line))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith(folder.resolve("prepare.yaml") + ":4: " + message);
  }
}
