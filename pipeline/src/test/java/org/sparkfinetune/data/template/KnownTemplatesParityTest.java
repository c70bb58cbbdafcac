package org.sparkfinetune.data.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.template.ChatTemplate.AddGenerationPrompt;
import org.sparkfinetune.data.template.ChatTemplate.SpecialTokens;
import org.sparkfinetune.data.template.RenderedConversation.ContentSpan;
import org.sparkfinetune.errors.UserError;

/** Templates in the style of well-known models against jinja2 (golden/chat-templates.json). */
final class KnownTemplatesParityTest {
  private static JsonNode golden() throws IOException {
    try (InputStream in =
        KnownTemplatesParityTest.class.getResourceAsStream("/golden/chat-templates.json")) {
      return new ObjectMapper().readTree(in);
    }
  }

  static Stream<String> names() throws IOException {
    List<String> names = new ArrayList<>();
    golden().get("templates").fieldNames().forEachRemaining(names::add);
    return names.stream();
  }

  @ParameterizedTest
  @MethodSource("names")
  void text_equals_jinja2s(String name) throws IOException {
    JsonNode golden = golden();
    ChatTemplate template = ChatTemplate.of(name, golden.get("templates").get(name).asText());
    JsonNode texts = golden.get("texts").get(name);
    for (int i = 0; i < texts.size(); i++) {
      Conversation conversation = conversation(golden.get("conversations").get(i));
      for (AddGenerationPrompt prompt : AddGenerationPrompt.values()) {
        JsonNode expected = texts.get(i).get(prompt.ordinal());
        SpecialTokens tokens = SpecialTokens.of("<s>", "</s>");
        if (expected.isNull()) {
          assertThatThrownBy(() -> template.render(conversation, tokens, prompt))
              .isInstanceOf(UserError.class);
        } else {
          RenderedConversation rendered = template.render(conversation, tokens, prompt);
          assertThat(rendered.text()).isEqualTo(expected.asText());
          assertContentsAreContents(conversation, rendered);
        }
      }
    }
  }

  private static void assertContentsAreContents(
      Conversation conversation, RenderedConversation rendered) {
    assertThat(rendered.contents()).isNotEmpty();
    for (ContentSpan content : rendered.contents()) {
      if (content.copied()) {
        String text = rendered.text().substring(content.span().from(), content.span().to());
        assertThat(conversation.messages().get(content.message()).content()).contains(text);
      }
    }
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
