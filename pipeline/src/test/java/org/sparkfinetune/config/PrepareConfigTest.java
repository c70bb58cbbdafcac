package org.sparkfinetune.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;
import org.sparkfinetune.config.PrepareConfig.OutputFormat;
import org.sparkfinetune.config.PrepareConfig.TestSize;
import org.sparkfinetune.config.PrepareConfig.TokenCounting;
import org.sparkfinetune.errors.UserError;

class PrepareConfigTest {

  private static final String REQUIRED =
      """
      dataset: sql-create-context
      input: rows.jsonl
      output: out
      """;
  private static final String EVERY_KEY =
      """
      dataset: template
      input: ["a b,c.jsonl", "hub:owner/name"]
      output: hdfs://n/out
      seed: 7
      num_samples: 12_500
      test_size: 2500
      system_message: |
        You answer.
        {context}
      template:
        user: "{question}"
        assistant: "{answer}"
      stratify_by: schema
      deduplicate: true
      formats: [json]
      max_rejected: 0.5
      overwrite: true
      tokenizer: t
      chat_template: llama3
      max_seq_len: 3072
      delimiter: tab
      quote: "'"
      escape: \\
      """;

  private static final Configuration HADOOP = new Configuration();

  @TempDir Path folder;

  @Test
  void the_defaults_are_those_that_the_manual_promises() {
    assertThat(load(REQUIRED).config())
        .isEqualTo(
            new PrepareConfig(
                Optional.of(DatasetKind.SQL_CREATE_CONTEXT),
                List.of("rows.jsonl"),
                Optional.empty(),
                new PrepareConfig.Output("out", Optional.empty()),
                42,
                OptionalLong.empty(),
                new TestSize.Fraction(0.2),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                false,
                Set.of(OutputFormat.PARQUET, OutputFormat.JSON),
                0.01,
                false,
                Optional.empty(),
                CsvFormat.RFC_4180,
                SparkSource.NONE,
                List.of(),
                List.of()));
  }

  @Test
  void every_key_reaches_the_record() {
    PrepareConfig config = load(EVERY_KEY).config();
    assertThat(config)
        .isEqualTo(
            new PrepareConfig(
                Optional.of(DatasetKind.TEMPLATE),
                List.of("a b,c.jsonl", "hub:owner/name"),
                Optional.empty(),
                new PrepareConfig.Output("hdfs://n/out", Optional.empty()),
                7,
                OptionalLong.of(12_500),
                new TestSize.Rows(2500),
                Optional.of("You answer.\n{context}\n"),
                Optional.of(Map.of("user", "{question}", "assistant", "{answer}")),
                Optional.of("schema"),
                true,
                Set.of(OutputFormat.JSON),
                0.5,
                true,
                Optional.of(new TokenCounting("t", Optional.of("llama3"), 3072)),
                new CsvFormat("\t", "'", "\\"),
                SparkSource.NONE,
                List.of(),
                List.of()));
    assertThat(config.template().orElseThrow().keySet()).containsExactly("user", "assistant");
  }

  @Test
  void a_ready_test_split_takes_the_place_of_test_size() {
    Loaded<PrepareConfig> loaded = load(REQUIRED + "test_input: [test.jsonl]");
    assertThat(loaded.config().testInput()).contains(List.of("test.jsonl"));
    assertThat(loaded.config().testSize()).isEqualTo(new TestSize.Rows(0));
    assertThat(load(loaded.yaml()).config()).isEqualTo(loaded.config());
  }

  @Test
  void the_resolved_file_gives_the_same_configuration_again() {
    for (String yaml : List.of(REQUIRED, EVERY_KEY)) {
      Loaded<PrepareConfig> once = load(yaml);
      assertThat(load(once.yaml()).config()).isEqualTo(once.config());
      assertThat(load(once.yaml()).yaml()).isEqualTo(once.yaml());
    }
  }

  @Test
  void sets_are_written_in_one_order_whatever_order_they_have() {
    for (Set<OutputFormat> formats :
        List.<Set<OutputFormat>>of(
            new LinkedHashSet<>(List.of(OutputFormat.JSON, OutputFormat.PARQUET)),
            new LinkedHashSet<>(List.of(OutputFormat.PARQUET, OutputFormat.JSON)))) {
      assertThat(KeyTable.PREPARE.find("formats").orElseThrow().plain(formats))
          .isEqualTo(List.of("parquet", "json"));
    }
  }

  @Test
  void the_command_line_wins() {
    PrepareConfig config =
        load(REQUIRED, "--test_size", "300", "--input", "a", "b", "--overwrite").config();
    assertThat(config.testSize()).isEqualTo(new TestSize.Rows(300));
    assertThat(config.input()).containsExactly("a", "b");
    assertThat(config.overwrite()).isTrue();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          test_sizes: 1      | unknown key test_sizes; did you mean test_size?
          test_size: 1.0     | test_size is 1.0; allowed: a whole number of rows, or a fraction above 0 and below 1
          test_size: -3      | test_size is -3; allowed: a whole number of rows, or a fraction above 0 and below 1
          num_samples: 0     | num_samples is 0; allowed: a whole number of at least 1
          formats: csv       | formats is csv; allowed: one or more of parquet, json
          formats: []        | formats is []; allowed: one or more of parquet, json
          max_rejected: 2    | max_rejected is 2; allowed: a number from 0 to 1
          test_input: []     | test_input is []; allowed: a path, a glob, a list of them, hub:owner/name, or table:catalog.database.name
          delimiter: ;;      | delimiter is ;;; allowed: one ASCII character that is no line end, or tab
          delimiter: §       | delimiter is §; allowed: one ASCII character that is no line end, or tab
          quote: xy          | quote is xy; allowed: one ASCII character that is no line end
          escape: tabs       | escape is tabs; allowed: one ASCII character that is no line end
          template: {user: x, bot: y} | template is {user: x, bot: y}; allowed: a mapping with the keys user and assistant,
          """)
  void a_bad_value_is_named_with_file_line_and_what_is_allowed(String line, String message) {
    assertThatThrownBy(() -> load(REQUIRED + line))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith(folder.resolve("prepare.yaml") + ":4: " + message);
  }

  @Test
  void a_delimiter_is_one_character_or_the_word_for_it() {
    for (String tab : List.of("tab", "'\\t'", "\\t", "\"\\t\"")) {
      assertThat(load(REQUIRED + "delimiter: " + tab).config().csv().delimiter()).isEqualTo("\t");
    }
    assertThat(load(REQUIRED, "--delimiter", ";", "--quote", "'").config().csv())
        .isEqualTo(new CsvFormat(";", "'", "'"));
    assertThatThrownBy(() -> load(REQUIRED + "delimiter: '\"'"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(
            "delimiter is \", and so is quote; allowed: a delimiter that is neither");
  }

  @Test
  void keys_that_exclude_or_need_each_other_are_named_together() {
    assertThatThrownBy(() -> load(REQUIRED + "test_input: t\ntest_size: 3"))
        .isInstanceOf(UserError.class)
        .hasMessage(
            folder.resolve("prepare.yaml")
                + ":5: test_size cuts a test split, but test_input names a ready one; keep one of"
                + " the two");
    assertThatThrownBy(() -> load(REQUIRED + "max_seq_length: 3072"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(
            ":4: max_seq_length is for counting tokens in the report, which needs");
    assertThat(load(REQUIRED + "tokenizer: t").config().tokens())
        .contains(new TokenCounting("t", Optional.empty(), 512));
    assertThatThrownBy(() -> load("dataset: template\ninput: i\noutput: o"))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith("dataset is template and template is missing;");
    assertThatThrownBy(() -> load("dataset: sql\ninput: i\noutput: o"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(
            "dataset is sql; allowed: sql-create-context, no_robots, messages, sharegpt, alpaca,");
  }

  private Loaded<PrepareConfig> load(String yaml, String... arguments) {
    Path file = folder.resolve("prepare.yaml");
    try {
      Files.writeString(file, yaml);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new ConfigLoader(HADOOP).prepare(Optional.of(file.toString()), List.of(arguments));
  }
}
