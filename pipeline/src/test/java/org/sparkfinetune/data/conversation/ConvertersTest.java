package org.sparkfinetune.data.conversation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.data.conversation.RowShape.Converter;
import org.sparkfinetune.errors.UserError;

/** What is taken; what is not is in the corpus of bad inputs. */
final class ConvertersTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private static String convert(RowShape shape, String row) throws Exception {
    return convert(shape.converter(Optional.empty(), Optional.empty()), row);
  }

  private static String convert(Converter converter, String row) throws Exception {
    return converter.convert((ObjectNode) MAPPER.readTree(row)).messages().stream()
        .map(message -> message.role().text() + ":" + message.content())
        .collect(Collectors.joining("|"));
  }

  private static Converter withSystem(RowShape shape, String system) {
    return shape.converter(Optional.of(system), Optional.empty());
  }

  private static final String SQL =
      "{\"question\":\"q\",\"context\":\"c\",\"answer\":\"a\",\"x\":1}";

  @Test
  void sql_puts_the_schema_on_its_own_line_of_the_system_message() throws Exception {
    assertThat(convert(RowShape.SQL_CREATE_CONTEXT, SQL))
        .isEqualTo(
            "system:You are an text to SQL query translator. Users will ask you questions in"
                + " English and you will generate a SQL query based on the provided SCHEMA.\n"
                + "SCHEMA:\nc|user:q|assistant:a");
  }

  @Test
  void another_sql_system_message_says_where_the_schema_goes_or_gets_it_behind() throws Exception {
    assertThat(convert(withSystem(RowShape.SQL_CREATE_CONTEXT, "S {schema}."), SQL))
        .isEqualTo("system:S c.|user:q|assistant:a");
    assertThat(convert(withSystem(RowShape.SQL_CREATE_CONTEXT, "S {context}."), SQL))
        .isEqualTo("system:S c.|user:q|assistant:a");
    assertThat(convert(withSystem(RowShape.SQL_CREATE_CONTEXT, "S"), SQL))
        .isEqualTo("system:S\nSCHEMA:\nc|user:q|assistant:a");
  }

  @Test
  void no_robots_gets_a_system_message_where_it_has_none() throws Exception {
    String turns =
        "{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"content\":\"a\"}";
    assertThat(convert(RowShape.NO_ROBOTS, "{\"messages\":[" + turns + "]}"))
        .startsWith("system:You are Llama, an AI assistant created by Philipp")
        .endsWith("complex subjects.|user:u|assistant:a");
    String own = "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"}," + turns + "]}";
    assertThat(convert(RowShape.NO_ROBOTS, own)).isEqualTo("system:s|user:u|assistant:a");
    assertThat(convert(RowShape.MESSAGES, "{\"messages\":[" + turns + "]}"))
        .isEqualTo("user:u|assistant:a");
    assertThat(convert(withSystem(RowShape.MESSAGES, "S"), "{\"messages\":[" + turns + "]}"))
        .isEqualTo("system:S|user:u|assistant:a");
  }

  @Test
  void typed_parts_of_text_are_joined() throws Exception {
    assertThat(
            convert(
                RowShape.MESSAGES,
                """
                {"tools": [], "messages": [
                  {"role": "user", "content": [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]},
                  {"role": "assistant", "content": "c", "tool_calls": null, "weight": 1}]}
                """))
        .isEqualTo("user:a b|assistant:c");
  }

  @Test
  void sharegpt_knows_its_names_and_a_system_column() throws Exception {
    assertThat(
            convert(
                RowShape.SHAREGPT,
                """
                {"id": 1, "system": "s", "conversations": [
                  {"from": "human", "value": "h"}, {"from": "gpt", "value": "g"},
                  {"from": "user", "value": "u"}, {"from": "chatgpt", "value": "c"}]}
                """))
        .isEqualTo("system:s|user:h|assistant:g|user:u|assistant:c");
  }

  @Test
  void alpaca_puts_the_input_behind_the_instruction() throws Exception {
    assertThat(
            convert(RowShape.ALPACA, "{\"instruction\":\"i\",\"input\":\"in\",\"output\":\"o\"}"))
        .isEqualTo("user:i\n\nin|assistant:o");
    assertThat(convert(RowShape.ALPACA, "{\"instruction\":\"i\",\"input\":\"\",\"output\":\"o\"}"))
        .isEqualTo("user:i|assistant:o");
    assertThat(
            convert(withSystem(RowShape.ALPACA, "S"), "{\"instruction\":\"i\",\"output\":\"o\"}"))
        .isEqualTo("system:S|user:i|assistant:o");
  }

  @Test
  void an_instruction_is_a_turn_each() throws Exception {
    assertThat(convert(RowShape.INSTRUCTION, "{\"prompt\":\"p\",\"completion\":\"c\"}"))
        .isEqualTo("user:p|assistant:c");
  }

  private static Converter template(String user, String assistant) {
    Map<String, String> texts = new LinkedHashMap<>();
    texts.put("assistant", assistant);
    texts.put("user", user);
    texts.put("system", "Be brief.");
    return RowShape.TEMPLATE.converter(Optional.empty(), Optional.of(new MessageTemplate(texts)));
  }

  @Test
  void a_template_puts_columns_into_messages_in_the_order_of_roles() throws Exception {
    assertThat(
            convert(
                template("{{{q}}} x { n }: {b}", "{a}"),
                "{\"q\":\"Q{a}\",\"a\":\"A\",\"n\":12,\"b\":true}"))
        .isEqualTo("system:Be brief.|user:{Q{a}} x 12: true|assistant:A");
  }

  @Test
  void a_template_that_cannot_work_is_refused() {
    assertThatThrownBy(() -> template("{q", "{a}"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("brace at character 1")
        .hasMessageContaining("{{ and }}");
    assertThatThrownBy(() -> template("q}", "{a}")).hasMessageContaining("character 2");
    assertThatThrownBy(() -> template("{}", "{a}")).hasMessageContaining("names no column");
    assertThatThrownBy(() -> template("{q}", "yes")).hasMessageContaining("names no column");
    assertThatThrownBy(() -> new MessageTemplate(Map.of("human", "{q}")))
        .hasMessageContaining("'human' is not a role");
    assertThatThrownBy(() -> new MessageTemplate(Map.of("user", "{q}")))
        .hasMessageContaining("'assistant' is missing");
    assertThatThrownBy(() -> RowShape.TEMPLATE.converter(Optional.empty(), Optional.empty()))
        .hasMessageContaining("template: missing");
  }
}
