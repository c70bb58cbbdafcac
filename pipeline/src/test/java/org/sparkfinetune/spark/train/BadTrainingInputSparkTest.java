package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.UserError;

/** What a user can get wrong about a model or its data: a message that helps, nothing written. */
class BadTrainingInputSparkTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static JavaSparkContext spark;
  private static SampleRun sample;
  @TempDir static Path shared;
  @TempDir Path folder;
  private Path model;
  private Path run;

  @BeforeAll
  static void start() throws IOException {
    spark = Contexts.local();
    sample = new SampleRun(shared);
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  @BeforeEach
  void copyModel() throws IOException {
    model = Files.createDirectory(folder.resolve("model"));
    run = folder.resolve("run");
    try (Stream<Path> files = Files.list(SampleRun.MODEL)) {
      for (Path file : files.toList()) {
        Files.copy(file, model.resolve(file.getFileName()), StandardCopyOption.COPY_ATTRIBUTES);
      }
    }
  }

  private void refused(String[] overrides, String... words) {
    String[] all =
        Stream.concat(Stream.of("--model_id", model.toString()), Stream.of(overrides))
            .toArray(String[]::new);
    var thrown =
        assertThatThrownBy(() -> sample.train(spark, run, all)).isInstanceOf(UserError.class);
    for (String word : words) {
      thrown.hasMessageContaining(word);
    }
    assertThat(run).as("nothing is written").doesNotExist();
  }

  private void refused(String... words) {
    refused(new String[0], words);
  }

  private void config(Consumer<ObjectNode> change) throws IOException {
    Path file = model.resolve("config.json");
    ObjectNode node = (ObjectNode) JSON.readTree(file.toFile());
    change.accept(node);
    JSON.writeValue(file.toFile(), node);
  }

  @Test
  void a_model_folder_that_is_not_there() {
    refused(
        new String[] {"--model_id", folder.resolve("nowhere").toString()},
        "There is no folder '%s'.".formatted(folder.resolve("nowhere")));
  }

  @Test
  void a_model_folder_without_a_config() throws IOException {
    Files.delete(model.resolve("config.json"));
    refused(model.toString(), "config.json");
  }

  @Test
  void another_architecture() throws IOException {
    config(node -> node.put("model_type", "gpt2").putArray("architectures").add("GPT2LMHeadModel"));
    refused("config.json", "gpt2");
  }

  @Test
  void a_setting_that_changes_the_mathematics_and_is_not_known() throws IOException {
    config(node -> node.put("sliding_window", 128));
    refused("config.json", "sliding_window");
  }

  @Test
  void no_weights() throws IOException {
    Files.delete(model.resolve("model.safetensors"));
    refused(model.toString(), "model.safetensors");
  }

  @Test
  void weights_that_were_cut_off() throws IOException {
    Path file = model.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(file);
    Files.write(file, java.util.Arrays.copyOf(bytes, bytes.length - 1000));
    refused("model.safetensors");
  }

  @Test
  void a_tensor_of_another_shape() throws IOException {
    config(node -> node.put("intermediate_size", 511));
    refused("mlp", "511");
  }

  @Test
  void a_missing_tensor() throws IOException {
    AtomicInteger layers = new AtomicInteger();
    config(
        node -> {
          layers.set(node.path("num_hidden_layers").asInt());
          node.put("num_hidden_layers", layers.get() + 1);
        });
    refused("model.layers." + layers + ".");
  }

  @Test
  void a_tokenizer_of_another_model() throws IOException {
    config(node -> node.put("vocab_size", 100));
    refused("100");
  }

  @Test
  void no_tokenizer() throws IOException {
    Files.delete(model.resolve("tokenizer.json"));
    refused("tokenizer.json");
  }

  @Test
  void data_that_are_not_there() {
    refused(
        new String[] {"--dataset_path", folder.resolve("nothing").toString()},
        folder.resolve("nothing").toString());
  }

  @Test
  void no_sample_that_fits() {
    refused(new String[] {"--max_seq_length", "4"}, "max_seq_length", "4");
  }

  @Test
  void a_template_that_leaves_nothing_to_train() throws IOException {
    Path template = folder.resolve("users-only.jinja");
    Files.writeString(
        template,
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}");
    refused(
        new String[] {"--chat_template", template.toString(), "--assistant_only_loss", "true"},
        "Nothing of the train split would be trained",
        "assistant_only_loss");
  }

  @Test
  void an_adapter_that_is_not_there() {
    refused(new String[] {"--adapter", folder.resolve("none").toString()}, "none");
  }

  @Test
  void more_ranks_than_there_are_executors() {
    refused(new String[] {"--num_ranks", "2"}, "num_ranks is 2");
  }

  @Test
  void a_checkpoint_that_is_not_there() {
    refused(
        new String[] {"--resume_from_checkpoint", folder.resolve("step-1").toString()},
        "holds no complete checkpoint");
  }

  @Test
  void dynamic_allocation() {
    spark.stop();
    System.setProperty("spark.dynamicAllocation.enabled", "true");
    try {
      spark = Contexts.local();
      refused("spark.dynamicAllocation.enabled");
    } finally {
      System.clearProperty("spark.dynamicAllocation.enabled");
      spark.stop();
      spark = Contexts.local();
    }
  }
}
