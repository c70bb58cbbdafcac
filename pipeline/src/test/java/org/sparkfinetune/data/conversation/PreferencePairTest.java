package org.sparkfinetune.data.conversation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.errors.UserError;

/** {@code dataset: preference} in the forms in which TRL's data sets have them. */
final class PreferencePairTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final String ASKED = "{'role':'user','content':'q'}";
  private static final String GOOD = "{'role':'assistant','content':'good'}";
  private static final String BAD = "{'role':'assistant','content':'bad'}";

  private static Conversation convert(String row, Optional<String> system) throws Exception {
    return RowShape.PREFERENCE
        .converter(system, Optional.empty())
        .convert((ObjectNode) MAPPER.readTree(row.replace('\'', '"')));
  }

  private static String text(List<Message> messages) {
    return messages.stream()
        .map(message -> message.role().text() + ":" + message.content())
        .collect(Collectors.joining("|"));
  }

  private static void assertPair(String row, String prompt) throws Exception {
    Conversation pair = convert(row, Optional.empty());
    assertThat(text(pair.messages())).isEqualTo(prompt + "|assistant:good");
    assertThat(text(pair.rejectedOne().orElseThrow().messages()))
        .isEqualTo(prompt + "|assistant:bad");
    assertThat(EncodedConversation.of(pair).conversation()).isEqualTo(pair);
  }

  @Test
  void explicit_prompts_are_messages_or_texts() throws Exception {
    assertPair("{'prompt':'q','chosen':'good','rejected':'bad'}", "user:q");
    assertPair(
        "{'prompt':[%s],'chosen':[%s],'rejected':[%s]}".formatted(ASKED, GOOD, BAD), "user:q");
    assertPair("{'system':'s','question':'q','chosen':'good','rejected':'bad'}", "system:s|user:q");
  }

  @Test
  void implicit_prompts_are_what_both_begin_with() throws Exception {
    assertPair(
        "{'chosen':[%s,%s],'rejected':[%s,%s]}".formatted(ASKED, GOOD, ASKED, BAD), "user:q");
    // As in ultrafeedback_binarized: the prompt's text is repeated in whole conversations.
    assertPair(
        "{'prompt':'q','chosen':[%s,%s],'rejected':[%s,%s],'messages':[],'score_chosen':1.5}"
            .formatted(ASKED, GOOD, ASKED, BAD),
        "user:q");
    String turns = ASKED + "," + GOOD + ",{'role':'user','content':'r'}";
    assertPair(
        "{'chosen':[%s,%s],'rejected':[%s,%s]}".formatted(turns, GOOD, turns, BAD),
        "user:q|assistant:good|user:r");
  }

  @Test
  void answers_go_on_over_several_turns() throws Exception {
    String more = "{'role':'user','content':'why'},{'role':'assistant','content':'so'}";
    Conversation pair =
        convert(
            "{'prompt':[%s],'chosen':[%s],'rejected':[%s,%s]}".formatted(ASKED, GOOD, BAD, more),
            Optional.empty());
    assertThat(text(pair.rejectedOne().orElseThrow().messages()))
        .isEqualTo("user:q|assistant:bad|user:why|assistant:so");
  }

  @Test
  void a_system_message_is_put_before_both() throws Exception {
    for (String row :
        List.of(
            "{'prompt':'q','chosen':'good','rejected':'bad'}",
            "{'chosen':[%s,%s],'rejected':[%s,%s]}".formatted(ASKED, GOOD, ASKED, BAD))) {
      Conversation pair = convert(row, Optional.of("s"));
      assertThat(text(pair.messages())).isEqualTo("system:s|user:q|assistant:good");
      assertThat(text(pair.rejectedOne().orElseThrow().messages()))
          .isEqualTo("system:s|user:q|assistant:bad");
    }
  }

  @Test
  void tools_and_calls_are_kept_on_both_sides() throws Exception {
    String call =
        "{'role':'assistant','tool_calls':[{'type':'function','function':{'name':'f','arguments':{'x':%s}}}]}";
    Conversation pair =
        convert(
            "{'tools':[{'name':'f'}],'prompt':'q','chosen':[%s],'rejected':[%s]}"
                .formatted(call.formatted("1"), call.formatted("2")),
            Optional.empty());
    Conversation other = pair.rejectedOne().orElseThrow();
    assertThat(pair.messages().get(1).extras().toolCalls().get(0).arguments())
        .isEqualTo("{\"x\":1}");
    assertThat(other.messages().get(1).extras().toolCalls().get(0).arguments())
        .isEqualTo("{\"x\":2}");
    assertThat(other.inputs()).isEqualTo(pair.inputs());
    assertThat(pair.inputs().tools()).contains("\"name\":\"f\"");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '^',
      value = {
        "{'prompt':'q','chosen':'a','rejected':'a'}; chosen and rejected are the same",
        "{'prompt':'q','chosen':'a'}; rejected is missing",
        "{'chosen':'a','rejected':'b'}; prompt is missing, and chosen begins with the assistant's",
        "{'prompt':'q','chosen':'a','rejected':''}; message 2 has nothing to learn",
        "{'chosen':[{'role':'user','content':'q'},{'role':'assistant','content':'a'}],'rejected':[{'role':'user','content':'r'},{'role':'assistant','content':'a'}]}; part at message 1, which is not the assistant's in both",
        "{'prompt':'q','chosen':1,'rejected':'b'}; chosen is of type number"
      })
  void what_is_no_preference_is_rejected(String row, String detail) {
    assertThatThrownBy(() -> convert(row, Optional.empty()))
        .isInstanceOf(RejectedRow.class)
        .hasMessageContaining(detail);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {"[; rejected is no JSON", "{}; no array", "[1]; rejected[0] is of type number"})
  void another_side_that_holds_something_else_is_refused(String rejected, String message) {
    Conversation broken =
        new Conversation(
            List.of(new Message(Conversation.Role.USER, "q")),
            Conversation.TemplateInputs.NONE,
            rejected);
    assertThatThrownBy(broken::rejectedOne)
        .isInstanceOf(UserError.class)
        .hasMessageContaining(message);
  }
}
