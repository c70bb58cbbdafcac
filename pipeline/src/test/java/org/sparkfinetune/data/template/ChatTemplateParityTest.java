package org.sparkfinetune.data.template;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.template.ChatTemplate.AddGenerationPrompt;
import org.sparkfinetune.data.template.ChatTemplate.SpecialTokens;

/** Our three templates against transformers' text (golden/llama3-chat.json). */
final class ChatTemplateParityTest {
  private static final SpecialTokens TOKENS =
      SpecialTokens.of("<|begin_of_text|>", "<|end_of_text|>");

  @Test
  void built_in_templates_write_what_transformers_writes() throws IOException {
    JsonNode golden = golden();
    int compared = 0;
    for (JsonNode entry : golden.get("conversations")) {
      Conversation conversation = conversation(entry.get("messages"));
      for (BuiltInTemplates builtIn : BuiltInTemplates.values()) {
        for (AddGenerationPrompt prompt : AddGenerationPrompt.values()) {
          String expected = expected(entry, builtIn, prompt);
          String source = golden.get("templates").get(builtIn.text()).asText();
          assertThat(builtIn.template().render(conversation, TOKENS, prompt).text())
              .isEqualTo(expected);
          assertThat(ChatTemplate.of("golden", source).render(conversation, TOKENS, prompt).text())
              .isEqualTo(expected);
          compared++;
        }
      }
    }
    assertThat(compared).isEqualTo(48);
  }

  private static String expected(
      JsonNode entry, BuiltInTemplates builtIn, AddGenerationPrompt prompt) {
    String key = builtIn.text() + (prompt == AddGenerationPrompt.YES ? "_generation" : "");
    return entry.get(key).get("text").asText();
  }

  private static JsonNode golden() throws IOException {
    try (InputStream in =
        ChatTemplateParityTest.class.getResourceAsStream("/golden/llama3-chat.json")) {
      return new ObjectMapper().readTree(in);
    }
  }

  private static Conversation conversation(JsonNode messages) {
    List<Message> list = new ArrayList<>();
    for (JsonNode m : messages) {
      list.add(
          new Message(
              Role.withText(m.get("role").asText()).orElseThrow(), m.get("content").asText()));
    }
    return new Conversation(list);
  }
}
