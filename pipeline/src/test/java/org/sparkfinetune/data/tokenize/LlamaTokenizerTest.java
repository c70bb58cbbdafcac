package org.sparkfinetune.data.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.commons.lang3.SerializationUtils;
import org.apache.hadoop.conf.Configuration;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.Conversation.TemplateInputs;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.template.ChatTemplate.AddGenerationPrompt;
import org.sparkfinetune.data.template.ChatTemplate.SpecialTokens;
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
    assertThat(TokenizerFiles.load(path, store).chatTemplates()).isEmpty();
    assertThat(
            ChatTemplates.choose(Optional.empty(), TokenizerFiles.load(path, store), store).name())
        .isEqualTo("reference");
    Files.writeString(config, "{\"chat_template\": \"one\"}");
    assertThat(TokenizerFiles.load(path, store).chatTemplates())
        .isEqualTo(Map.of("default", "one"));
    Files.writeString(
        config,
        "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"t\"}, {\"name\":"
            + " \"default\", \"template\": \"two\"}]}");
    assertThat(TokenizerFiles.load(path, store).chatTemplates())
        .isEqualTo(Map.of("default", "two", "tool_use", "t"));
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
  void conversations_with_tools_get_tool_use_where_none_is_named() throws IOException {
    TinyTokenizer.writeTo(folder);
    Store store = new Store(new Configuration(false));
    org.apache.hadoop.fs.Path path = new org.apache.hadoop.fs.Path(folder.toUri());
    Files.writeString(
        folder.resolve("tokenizer_config.json"),
        "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"listed\"}]}");
    assertThatThrownBy(
            () -> ChatTemplates.choose(Optional.empty(), TokenizerFiles.load(path, store), store))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("has no chat template named 'default', but [tool_use]");
    Files.writeString(folder.resolve("chat_template.jinja"), "plain {{ strftime_now('%Y') }}");
    Path more = Files.createDirectory(folder.resolve("additional_chat_templates"));
    Files.writeString(more.resolve("tool_use.jinja"), "tools");
    Files.writeString(more.resolve("rag.jinja"), "rag");
    Files.writeString(more.resolve("README.md"), "no template");
    TokenizerFiles files = TokenizerFiles.load(path, store);
    assertThat(files.chatTemplates().keySet()).containsExactly("default", "rag", "tool_use");
    for (Optional<String> own : List.of(Optional.<String>empty(), Optional.of("tokenizer"))) {
      ChatTemplate chosen =
          ChatTemplates.choose(own, files, store).at(LocalDateTime.of(1999, 1, 1, 0, 0));
      assertThat(rendered(chosen, "")).isEqualTo("plain 1999");
      assertThat(rendered(chosen, "[1]")).isEqualTo("tools");
      assertThat(chosen.render(mapOf("tools", List.of()))).isEqualTo("tools");
      assertThat(chosen.render(mapOf("tools", null))).isEqualTo("plain 1999");
    }
    ChatTemplate named = ChatTemplates.choose(Optional.of("tokenizer:default"), files, store);
    assertThat(rendered(named, "[1]")).startsWith("plain");
    assertThat(rendered(ChatTemplates.choose(Optional.of("tokenizer:rag"), files, store), "[1]"))
        .isEqualTo("rag");
  }

  private static String rendered(ChatTemplate template, String tools) {
    Conversation conversation =
        new Conversation(List.of(new Message(Role.USER, "q")), new TemplateInputs(tools, ""));
    return SerializationUtils.roundtrip(template)
        .render(conversation, SpecialTokens.none(), AddGenerationPrompt.NO)
        .text();
  }

  private static Map<String, @Nullable Object> mapOf(String name, @Nullable Object value) {
    return Collections.singletonMap(name, value);
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
      assertThat(tokenizer.encode("a😀é\ud800b", List.of(), true).ends())
          .containsExactly(1, 3, 3, 3, 3, 4, 4, 5, 5, 5, 6);
    }
  }
}
