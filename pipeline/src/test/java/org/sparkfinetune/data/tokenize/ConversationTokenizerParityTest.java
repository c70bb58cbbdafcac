package org.sparkfinetune.data.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.template.BuiltInTemplates;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.store.Store;

/**
 * Ids of the Llama 3 tokenizer against transformers' (golden/llama3-chat.json). Its licence keeps
 * the tokenizer out of the tree.
 */
final class ConversationTokenizerParityTest {
  private static final String FOLDER = "SPARK_FINETUNE_LLAMA3_TOKENIZER";

  @Test
  void ids_equal_transformers_wherever_no_content_spells_a_special_token() throws IOException {
    Optional<String> folder = Optional.ofNullable(System.getenv(FOLDER));
    assumeTrue(
        folder.isPresent(), "the environment variable " + FOLDER + " names no Llama 3 tokenizer");
    JsonNode golden;
    try (InputStream in = getClass().getResourceAsStream("/golden/llama3-chat.json")) {
      golden = new ObjectMapper().readTree(in);
    }
    int compared = 0;
    int forging = 0;
    try (LlamaTokenizer tokenizer = LlamaTokenizer.of(files(folder.get()))) {
      for (JsonNode entry : golden.get("conversations")) {
        Conversation conversation = conversation(entry.get("messages"));
        boolean forged =
            conversation.messages().stream()
                .anyMatch(m -> !tokenizer.specialTokensIn(m.content()).isEmpty());
        forging += forged ? 1 : 0;
        for (BuiltInTemplates builtIn : BuiltInTemplates.values()) {
          ConversationTokenizer ours =
              new ConversationTokenizer(tokenizer, builtIn.template(), LossTarget.EVERY_TOKEN);
          int[] expected = ids(entry.get(builtIn.text()));
          int[] prompt = ids(entry.get(builtIn.text() + "_generation"));
          if (forged) {
            assertThat(ours.tokenize(conversation).ids()).isNotEqualTo(expected);
          } else {
            assertThat(ours.tokenize(conversation).ids()).isEqualTo(expected);
            assertThat(ours.prompt(conversation)).isEqualTo(prompt);
            String text = entry.get(builtIn.text()).get("text").asText();
            assertThat(
                    new PieceEncoder(tokenizer).encode(text, tokenizer.specialTokensIn(text)).ids())
                .isEqualTo(expected);
            compared++;
          }
        }
      }
    }
    assertThat(compared).isGreaterThanOrEqualTo(18);
    assertThat(forging).isGreaterThanOrEqualTo(1);
  }

  private static TokenizerFiles files(String folder) {
    TokenizerFiles files =
        TokenizerFiles.load(
            new org.apache.hadoop.fs.Path(folder), new Store(new Configuration(false)));
    TreeMap<String, String> texts = new TreeMap<>(files.texts());
    texts.put(
        "tokenizer_config.json",
        "{\"bos_token\": \"<|begin_of_text|>\", \"eos_token\": \"<|end_of_text|>\"}");
    return new TokenizerFiles(folder, texts);
  }

  private static int[] ids(JsonNode rendering) {
    int[] ids = new int[rendering.get("ids").size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = rendering.get("ids").get(i).asInt();
    }
    return ids;
  }

  private static Conversation conversation(JsonNode messages) {
    List<Message> list = new ArrayList<>();
    for (JsonNode m : messages) {
      Role role = Role.withText(m.get("role").asText()).orElseThrow();
      list.add(new Message(role, m.get("content").asText()));
    }
    return new Conversation(list);
  }
}
