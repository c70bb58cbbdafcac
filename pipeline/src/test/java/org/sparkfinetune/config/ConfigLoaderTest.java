package org.sparkfinetune.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.TrainConfig.ModelSource;
import org.sparkfinetune.config.TrainConfig.ResumeFrom;
import org.sparkfinetune.errors.UserError;

class ConfigLoaderTest {

  private static final Configuration HADOOP = new Configuration();

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          seed: 1\\nbf16: true\\nseed: 1    | 3: the key seed was given before, at
          seed: !!javax.script.ScriptEngineManager [x] | 1: the YAML tag !
          !!java.net.URL {seed: 1}          | 1: the YAML tag !
          lora_r: &n 3\\nseed: *n           | 2: YAML aliases (*name) are not taken here;
          seed: 1\\n---\\nseed: 2           | 3: a second document begins here;
          seed: [1                          | 1: this is not valid YAML:
          seed: "1                          | 1: this is not valid YAML:
          - seed                            | 1: a configuration is a mapping
          seed                              | 1: a configuration is a mapping
          """)
  void what_is_not_one_plain_mapping_is_refused(String yaml, String message) throws IOException {
    Path file = write(yaml.replace("\\n", "\n").getBytes(StandardCharsets.UTF_8));
    assertThatThrownBy(() -> load(file.toString()))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith(file + ":" + message);
  }

  @Test
  void very_deep_nesting_ends_in_a_message() throws IOException {
    Path file = write(("seed: " + "[".repeat(5000)).getBytes(StandardCharsets.UTF_8));
    assertThatThrownBy(() -> load(file.toString())).isInstanceOf(UserError.class);
  }

  @Test
  void a_file_that_is_not_there_is_named_with_where_it_was_looked_for() {
    assertThatThrownBy(() -> load(folder.resolve("none.yaml").toString()))
        .isInstanceOf(UserError.class)
        .hasMessageEndingWith("none.yaml is not there.");
    assertThatThrownBy(() -> load("none.yaml"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("none.yaml is not there. Relative paths start at file:/");
    assertThatThrownBy(() -> load("../conf/train/sampel.yaml"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("is not there; did you mean ../conf/train/sample.yaml?");
    assertThatThrownBy(() -> load("nosuchfs://x/y.yaml"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("nosuchfs://x/y.yaml cannot be read");
    assertThatThrownBy(() -> load("file:conf/train/sample.yaml"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("file:conf/train/sample.yaml is no path: a URI has a whole one");
    assertThatThrownBy(() -> load(folder.toString())).isInstanceOf(UserError.class);
  }

  @Test
  void a_file_that_is_no_configuration_is_named() throws IOException {
    Path binary = write(new byte[] {'a', ':', ' ', (byte) 0xff, (byte) 0xfe});
    assertThatThrownBy(() -> load(binary.toString()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("is not UTF-8 text");
    Path large = write(new byte[2 << 20]);
    assertThatThrownBy(() -> load(large.toString()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("it has more than 1048576 bytes");
  }

  @Test
  void every_key_has_help() {
    for (KeyTable table : List.of(KeyTable.TRAIN, KeyTable.PREPARE)) {
      assertThat(table.keys())
          .allSatisfy(
              key -> {
                assertThat(key.doc()).isNotBlank();
                assertThat(key.allowed()).isNotBlank();
                assertThat(key.defaultText()).isNotBlank();
              });
    }
    assertThat(help("learning_rate")).isEqualTo("2.0E-4");
    assertThat(help("model_id")).isEqualTo("required");
    assertThat(help("lora_target_modules")).isEqualTo("all-linear");
    assertThat(help("tokenizer")).isEqualTo("none");
  }

  private static String help(String key) {
    return KeyTable.TRAIN.find(key).orElseThrow().defaultText();
  }

  private Path write(byte[] bytes) throws IOException {
    return Files.write(folder.resolve("c.yaml"), bytes);
  }

  private static void load(String file) {
    new ConfigLoader(HADOOP).train(Optional.of(file), List.of());
  }

  @Test
  void a_users_relative_paths_are_made_absolute_and_words_and_ids_are_not() throws IOException {
    Path here = Path.of("").toAbsolutePath();
    Loaded<TrainConfig> loaded =
        ConfigLoader.ofUser(new Configuration())
            .train(
                Optional.empty(),
                List.of(
                    "--model_id", "owner/name",
                    "--tokenizer", "src",
                    "--adapter", "runs/a/adapter",
                    "--dataset_path", "hdfs://n/data",
                    "--output_dir", "runs/one",
                    "--chat_template", "llama3",
                    "--resume_from_checkpoint", "runs/a/checkpoints/step-00000001"));
    assertThat(loaded.config().model())
        .isEqualTo(
            new ModelSource(
                "owner/name",
                "main",
                Optional.of(here.resolve("src").toString()),
                Optional.of(here.resolve("runs/a/adapter").toString())));
    assertThat(loaded.config().data().datasetPath()).isEqualTo("hdfs://n/data");
    assertThat(loaded.config().data().chatTemplate()).contains("llama3");
    assertThat(loaded.config().outputDir()).isEqualTo(here.resolve("runs/one").toString());
    assertThat(loaded.config().checkpointing().resumeFrom())
        .isEqualTo(
            new ResumeFrom.Path(here.resolve("runs/a/checkpoints/step-00000001").toString()));
    assertThat(loaded.yaml()).contains("output_dir: \"" + here.resolve("runs/one"));
  }

  @Test
  void what_is_no_path_is_told_with_its_key_and_an_id_of_a_hub_is_none() {
    ConfigLoader loader = ConfigLoader.ofUser(new Configuration());
    List<String> words =
        List.of("--model_id", "hub:owner/name@main", "--dataset_path", "a:b", "--output_dir", "c");
    assertThatThrownBy(() -> loader.train(Optional.empty(), words))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("dataset_path is a:b, which is no path");
  }
}
