package org.sparkfinetune.spark.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.security.alias.CredentialProvider;
import org.apache.hadoop.security.alias.CredentialProviderFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.MergeConfig;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.TestHubTaking;

final class ModelPushTest {
  private final TestHubTaking hub = new TestHubTaking();
  private final Store store = new Store(new Configuration());
  @TempDir private Path folder;

  @BeforeEach
  void configure() throws IOException {
    store.hadoop().set("finetune.hub.endpoint", hub.endpoint());
    store.hadoop().set("finetune.hub.cache", folder.resolve("cache").toUri().toString());
    store
        .hadoop()
        .set(
            "hadoop.security.credential.provider.path",
            "localjceks://file" + folder.resolve("secrets.jceks"));
    CredentialProvider provider = CredentialProviderFactory.getProviders(store.hadoop()).get(0);
    provider.createCredentialEntry("finetune.hub.token", "hf_write".toCharArray());
    provider.flush();
  }

  @AfterEach
  void stop() {
    hub.close();
  }

  private MergeConfig config(String... more) {
    List<String> words =
        Stream.concat(
                Stream.of(
                    "--model_id",
                    folder.resolve("base").toUri().toString(),
                    "--output",
                    folder.resolve("merged").toUri().toString(),
                    "--push_to",
                    "owner/name"),
                Stream.of(more))
            .toList();
    return new ConfigLoader(store.hadoop()).merge(Optional.empty(), words).config();
  }

  private Path write(String path, String text) throws IOException {
    Path file = folder.resolve(path);
    Files.createDirectories(file.getParent());
    return Files.writeString(file, text);
  }

  private String run(MergeConfig config) {
    return ModelPush.prepare(config, store).orElseThrow().run(config.adapter());
  }

  @Test
  void what_was_written_is_sent_with_a_card_that_says_what_it_was_made_of() throws IOException {
    write("base/README.md", "---\ntags: [x]\nlicense: apache-2.0\nlanguage: en\n---\n# Base\n");
    write("merged/config.json", "{}");
    write("merged/model.safetensors", "weights");
    write("merged/additional_chat_templates/tools.jinja", "{{ x }}");
    write(
        "run/config.yaml",
        "model_id: meta/llama\ndataset_path: d\noutput_dir: o\nmethod: lora\nlora_r: 4\n");
    write(
        "run/provenance.json",
        """
        {"versions": {"spark-finetune": "0.2.0"},
         "data": {"path": "d", "hash": "sha256:abc", "content_hash": "sha256:def"},
         "model": {"path": "meta/llama", "revision": "123", "hash": "h|h"}}
        """);
    write("run/summary.json", "{\"steps\": 7, \"train_loss\": 1.5, \"eval_loss\": 1.25}");
    write(
        "run/evaluation.json",
        "{\"metrics\": {\"base\": {\"perplexity\": 9}, \"adapter\": {\"perplexity\": 3.5, \"exact_match\": {\"value\": 0.75}}}}");
    MergeConfig config = config("--adapter", folder.resolve("run/adapter").toUri().toString());
    assertThat(run(config)).isEqualTo(hub.endpoint() + "/owner/name/commit/1");
    assertThat(hub.files().keySet())
        .containsExactly(
            "README.md",
            "additional_chat_templates/tools.jinja",
            "config.json",
            "model.safetensors");
    assertThat(hub.text("model.safetensors")).isEqualTo("weights");
    assertThat(hub.text("README.md"))
        .startsWith(
            """
            ---
            base_model: meta/llama
            license: apache-2.0
            pipeline_tag: text-generation
            library_name: transformers
            tags: [spark-finetune, lora]
            ---

            # name

            meta/llama with a LoRA merged into it, trained by spark-finetune.
            """)
        .contains(
            "| base model's revision | 123 |",
            "| base model's hash | h\\|h |",
            "| data's hash | sha256:abc |",
            "| data files' hash | sha256:def |",
            "| method | lora |",
            "| LoRA | r 4, alpha 8.0, all-linear |",
            "| eval_loss | 1.25 |",
            "| perplexity | 3.5 |",
            "| exact_match | 0.75 |");
  }

  @Test
  void a_single_file_is_sent_under_its_name_and_nothing_is_said_that_is_not_known()
      throws IOException {
    write("merged", "GGUF");
    run(config("--format", "gguf-f16", "--hub_private_repo", "true"));
    assertThat(hub.created().path("private").asBoolean()).isTrue();
    assertThat(hub.files().keySet()).containsExactly("README.md", "merged");
    assertThat(hub.text("README.md"))
        .contains("library_name: gguf", "a base model, written by spark-finetune.")
        .doesNotContain("license", "base_model", "lora", "hash");
  }

  @Test
  void a_hub_that_would_not_take_it_is_told_before_anything_is_merged() {
    store.hadoop().set("finetune.hub.offline", "true");
    assertThatThrownBy(() -> ModelPush.prepare(config(), store))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("push_to is owner/name");
    assertThatThrownBy(() -> config("--format", "adapter"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("no adapter is named");
  }
}
