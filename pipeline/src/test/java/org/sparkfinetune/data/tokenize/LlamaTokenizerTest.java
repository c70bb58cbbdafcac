package org.sparkfinetune.data.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

final class LlamaTokenizerTest {
  @TempDir private Path folder;

  private LlamaTokenizer load() {
    return LlamaTokenizer.load(
        new org.apache.hadoop.fs.Path(folder.toUri()), new Store(new Configuration(false)));
  }

  @Test
  void a_folder_gives_ids_special_tokens_and_the_size_of_the_vocabulary() {
    TinyTokenizer.writeTo(folder);
    try (LlamaTokenizer tokenizer = load()) {
      assertThat(tokenizer.encode("a)\n<|eot_id|>")).containsExactly('a', 256, TinyTokenizer.EOT);
      assertThat(tokenizer.decode('a', 256, TinyTokenizer.EOT)).isEqualTo("a)\n<|eot_id|>");
      assertThat(tokenizer.vocabularySize()).isEqualTo(263);
      assertThat(tokenizer.eosId()).hasValue(TinyTokenizer.EOS);
      assertThat(tokenizer.padId()).isEqualTo(TinyTokenizer.EOS);
      assertThat(tokenizer.specialTokens().bos()).contains("<|begin_of_text|>");
      assertThat(tokenizer.idOf("<|eot_id|>")).hasValue(TinyTokenizer.EOT);
      assertThat(tokenizer.idOf("a")).isEmpty();
    }
  }

  @Test
  void a_long_text_is_not_cut() {
    try (LlamaTokenizer tokenizer = LlamaTokenizer.of(TinyTokenizer.files())) {
      assertThat(tokenizer.encode("x".repeat(5000))).hasSize(5000);
    }
  }

  @Test
  void eos_comes_from_the_models_configuration_where_the_tokenizers_is_silent() throws IOException {
    TinyTokenizer.writeTo(folder);
    Files.delete(folder.resolve("tokenizer_config.json"));
    Files.writeString(folder.resolve("config.json"), "{\"eos_token_id\": [261, 258]}");
    try (LlamaTokenizer tokenizer = load()) {
      assertThat(tokenizer.specialTokens().eos()).contains("<|eot_id|>");
      assertThat(tokenizer.specialTokens().bos()).isEmpty();
    }
  }

  @Test
  void the_models_own_template_may_be_a_text_a_list_or_a_file() throws IOException {
    TinyTokenizer.writeTo(folder);
    Path config = folder.resolve("tokenizer_config.json");
    Store store = new Store(new Configuration(false));
    org.apache.hadoop.fs.Path path = new org.apache.hadoop.fs.Path(folder.toUri());
    assertThat(TokenizerFiles.load(path, store).chatTemplate()).isEmpty();
    assertThat(
            ChatTemplates.choose(Optional.empty(), TokenizerFiles.load(path, store), store).name())
        .isEqualTo("reference");
    Files.writeString(config, "{\"chat_template\": \"one\"}");
    assertThat(TokenizerFiles.load(path, store).chatTemplate()).contains("one");
    Files.writeString(
        config,
        "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"t\"}, {\"name\":"
            + " \"default\", \"template\": \"two\"}]}");
    assertThat(TokenizerFiles.load(path, store).chatTemplate()).contains("two");
    Files.writeString(folder.resolve("chat_template.jinja"), "three");
    TokenizerFiles files = TokenizerFiles.load(path, store);
    assertThat(ChatTemplates.choose(Optional.empty(), files, store).source()).isEqualTo("three");
    assertThat(ChatTemplates.choose(Optional.of("chatml"), files, store).name())
        .isEqualTo("chatml");
    Path own = Files.writeString(folder.resolve("mine.jinja"), "four");
    assertThat(ChatTemplates.choose(Optional.of(own.toUri().toString()), files, store).source())
        .isEqualTo("four");
  }

  @Test
  void what_is_no_tokenizer_is_said() throws IOException {
    assertThatThrownBy(this::load)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("no tokenizer.json in");
    Files.writeString(folder.resolve("tokenizer.json"), "{\"a\": ");
    assertThatThrownBy(this::load)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("not valid JSON (line 1)");
    Files.writeString(
        folder.resolve("tokenizer.json"),
        "version https://git-lfs.github.com/spec/v1\noid sha256:0");
    assertThatThrownBy(this::load)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("tokenizer.json' is a Git LFS pointer, not the file")
        .hasMessageContaining("git lfs pull");
    Files.writeString(folder.resolve("tokenizer.json"), "{\"a\": 1}");
    assertThatThrownBy(this::load).isInstanceOf(UserError.class).hasMessageContaining("\"model\"");
    Files.writeString(folder.resolve("tokenizer.json"), "{\"model\": {\"type\": \"New\"}}");
    assertThatThrownBy(this::load)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("tokenizers library can load");
  }

  @Test
  void a_template_that_is_not_there_is_said() {
    TokenizerFiles files = TinyTokenizer.files();
    Store store = new Store(new Configuration(false));
    assertThatThrownBy(() -> ChatTemplates.choose(Optional.of("lama3"), files, store))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("chat_template: 'lama3' is neither one of reference, llama3, chatml");
    assertThatThrownBy(() -> ChatTemplates.choose(Optional.of("tokenizer"), files, store))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("has no chat template");
  }

  @Test
  void plain_text_keeps_the_numbers_of_added_tokens_that_are_not_special() {
    ObjectNode json = TinyTokenizer.json();
    TreeMap<String, String> texts = new TreeMap<>(TinyTokenizer.files().texts());
    texts.put("tokenizer.json", json.toString());
    try (LlamaTokenizer tokenizer = LlamaTokenizer.of(new TokenizerFiles("tiny", texts))) {
      assertThat(tokenizer.plain().encode("<think>a<|eot_id|>", true).ids())
          .startsWith(TinyTokenizer.THINK, 'a', '<', '|')
          .doesNotContain(TinyTokenizer.EOT);
    }
  }

  @Test
  void ends_count_utf16_units() {
    try (LlamaTokenizer tokenizer = LlamaTokenizer.of(TinyTokenizer.files())) {
      assertThat(tokenizer.whole().encode(List.of("a😀é\ud800b")).get(0).ends())
          .containsExactly(1, 3, 3, 3, 3, 4, 4, 5, 5, 5, 6);
    }
  }
}
