package org.sparkfinetune.data.conversation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.commons.codec.digest.DigestUtils;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.Conversation.TemplateInputs;
import org.sparkfinetune.data.conversation.Conversation.ToolCall;
import org.sparkfinetune.data.conversation.RejectedRow.RejectionReason;

/** Rows in the shapes that people bring (cases/, after public reports). */
final class CasesTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static List<ObjectNode> rows(String file) throws IOException {
    try (BufferedReader in =
        new BufferedReader(
            new InputStreamReader(
                Objects.requireNonNull(CasesTest.class.getResourceAsStream("/cases/" + file)),
                StandardCharsets.UTF_8))) {
      return in.lines().map(CasesTest::tree).toList();
    }
  }

  private static ObjectNode tree(String json) {
    try {
      return (ObjectNode) JSON.readTree(json);
    } catch (IOException e) {
      throw new IllegalArgumentException(json, e);
    }
  }

  private static Conversation convert(RowShape shape, ObjectNode row) throws RejectedRow {
    Conversation conversation = shape.converter(Optional.empty(), Optional.empty()).convert(row);
    assertThat(EncodedConversation.of(conversation).conversation()).isEqualTo(conversation);
    return conversation;
  }

  /** Roles, contents, and a minus before what is not trained. */
  private static String said(Conversation conversation) {
    return conversation.messages().stream()
        .map(m -> (m.extras().untrained() ? "-" : "") + m.role().text() + ":" + m.content())
        .collect(Collectors.joining("|"));
  }

  @Test
  void turns_of_weight_0_stay_and_are_marked() throws Exception {
    List<ObjectNode> messages = rows("messages-weights.jsonl");
    assertThat(said(convert(RowShape.MESSAGES, messages.get(0))))
        .isEqualTo("-user:2+2?|assistant:4");
    assertThat(said(convert(RowShape.MESSAGES, messages.get(1))))
        .isEqualTo("user:2+3?|-assistant:6|user:Sure?|assistant:No, 5.");
    List<ObjectNode> shareGpt = rows("sharegpt-weights.jsonl");
    assertThat(said(convert(RowShape.SHAREGPT, shareGpt.get(0))))
        .isEqualTo("user:Name a river.|-assistant:Wrong: a hill.|user:Again.|assistant:The Elbe.");
    assertThatThrownBy(() -> convert(RowShape.SHAREGPT, shareGpt.get(1)))
        .isInstanceOfSatisfying(
            RejectedRow.class,
            e -> assertThat(e.reason()).isEqualTo(RejectionReason.NOTHING_TO_TRAIN));
    assertThat(said(convert(RowShape.SHAREGPT, shareGpt.get(2))))
        .isEqualTo("-user:Name a sea.|assistant:The Baltic.");
  }

  @Test
  void history_becomes_earlier_turns() throws Exception {
    List<ObjectNode> rows = rows("alpaca-history.jsonl");
    assertThat(said(convert(RowShape.ALPACA, rows.get(0))))
        .isEqualTo(
            "user:What falls in autumn?|assistant:Leaves.|user:And in winter?|assistant:Snow.");
    assertThat(said(convert(RowShape.ALPACA, rows.get(1))))
        .isEqualTo("user:What is 3 x 3?|assistant:9");
  }

  @Test
  void calls_of_tools_mean_the_same_as_text_and_as_objects() throws Exception {
    List<ObjectNode> rows = rows("tool-calls.jsonl");
    Conversation textual = convert(RowShape.MESSAGES, rows.get(0));
    assertThat(textual.inputs().tools())
        .startsWith("[{\"type\":\"function\",\"function\":{\"name\":\"row_count\"");
    assertThat(textual.messages())
        .extracting(Message::role)
        .containsExactly(Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT);
    Message call = textual.messages().get(2);
    assertThat(call.extras().contentIsNull()).isTrue();
    assertThat(call.extras().toolCalls())
        .containsExactly(
            new ToolCall(
                "c1", "row_count", "{\"table\":\"ships\",\"where\":\"state = 'sailing'\"}"));
    assertThat(textual.messages().get(3).extras().toolCallId()).isEqualTo("c1");
    Conversation objects = convert(RowShape.MESSAGES, rows.get(1));
    assertThat(objects.messages().get(1).extras().toolCalls())
        .containsExactly(
            new ToolCall("", "row_count", "{\"table\":\"docks\"}"),
            new ToolCall("", "row_count", "{\"table\":\"ports\"}"));
  }

  @Test
  void sharegpt_has_calls_and_observations() throws Exception {
    Conversation conversation = convert(RowShape.SHAREGPT, rows("sharegpt-tools.jsonl").get(0));
    assertThat(said(conversation))
        .isEqualTo(
            "system:Use the tool.|user:How many ships?|assistant:|tool:21|assistant:There are 21.");
    assertThat(conversation.messages().get(2).extras().toolCalls())
        .containsExactly(new ToolCall("", "row_count", "{\"table\":\"ships\"}"));
    assertThat(conversation.inputs().tools())
        .startsWith("[{\"type\":\"function\",\"function\":{\"name\":\"row_count\"");
  }

  @Test
  void roles_may_stand_under_conversations_and_messages_in_a_text() throws Exception {
    List<ObjectNode> rows = rows("roles-under-conversations.jsonl");
    for (ObjectNode row : rows.subList(0, 2)) {
      assertThat(said(convert(RowShape.MESSAGES, row))).isEqualTo("user:Hi.|assistant:Hello.");
    }
    assertThat(said(convert(RowShape.SHAREGPT, rows.get(0))))
        .isEqualTo("user:Hi.|assistant:Hello.");
    assertThat(said(convert(RowShape.MESSAGES, rows.get(2))))
        .isEqualTo("developer:Be brief.|user:Hi.|assistant:Hello.");
  }

  @Test
  void reasoning_is_kept_beside_the_answer() throws Exception {
    Conversation conversation = convert(RowShape.MESSAGES, rows("reasoning.jsonl").get(0));
    assertThat(conversation.messages().get(1).extras().reasoningContent()).isEqualTo("Six sevens.");
  }

  @Test
  void documents_are_kept_for_the_template() throws Exception {
    List<ObjectNode> rows = rows("documents.jsonl");
    assertThat(convert(RowShape.MESSAGES, rows.get(0)).inputs().documents())
        .startsWith("[{\"title\":\"Pier\",\"text\":\"The town built it in 1898.\"},");
    Conversation both = convert(RowShape.MESSAGES, rows.get(1));
    assertThat(both.inputs().documents())
        .isEqualTo("[{\"title\":\"Light\",\"text\":\"The state built it.\"}]");
    assertThat(both.inputs().tools()).contains("\"name\":\"find\"");
    assertThat(convert(RowShape.MESSAGES, rows.get(2)).inputs()).isEqualTo(TemplateInputs.NONE);
    rows.get(2).putArray("documents").add("a text");
    assertThatThrownBy(() -> convert(RowShape.MESSAGES, rows.get(2)))
        .isInstanceOfSatisfying(
            RejectedRow.class,
            e ->
                assertThat(e.detail())
                    .isEqualTo(
                        "documents[0] is of type string (\"a text\"), an object of title and text is needed"));
  }

  @Test
  void a_conversation_without_documents_keeps_its_bytes() {
    assertThat(
            DigestUtils.sha256Hex(
                EncodedConversation.of(
                        new Conversation(
                            List.of(new Message(Role.USER, "q")), new TemplateInputs("[1]", "")))
                    .bytes()))
        .isEqualTo("325ebe13525d977177670c59c5e3847227a0de284b5e3131e851f32da7cae022");
  }

  @Test
  void what_has_no_meaning_is_rejected_by_name() throws Exception {
    String turns =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",%s}]}";
    for (String[] bad :
        new String[][] {
          {"\"content\":\"a\",\"weight\":0.5", "messages[1].weight is 0.5; 0 and 1"},
          {
            "\"content\":null,\"tool_calls\":[{\"name\":\"f\",\"arguments\":\"{\"}]",
            "is no JSON: {"
          },
          {
            "\"content\":null,\"tool_calls\":[{\"name\":\"f\",\"arguments\":[1]}]",
            "an object, or a"
          },
          {"\"content\":null,\"tool_calls\":[{\"type\":\"x\",\"name\":\"f\"}]", "only 'function'"},
          {"\"content\":\"a\",\"train\":\"no\"", "messages[1].train is of type string"},
        }) {
      ObjectNode row = tree(turns.formatted(bad[0]));
      assertThatThrownBy(() -> convert(RowShape.MESSAGES, row))
          .isInstanceOfSatisfying(RejectedRow.class, e -> assertThat(e.detail()).contains(bad[1]));
    }
  }

  /** A seed of answers: {@code hashCode} of an enum would make it another one in each process. */
  @Test
  void the_number_of_a_conversation_is_the_same_in_every_process() {
    Conversation conversation = new Conversation(List.of(new Message(Role.USER, "q")));
    assertThat(EncodedConversation.number(conversation)).isEqualTo(2243918663923964788L);
  }

  @Test
  void a_data_set_of_ones_own_may_have_arguments_as_objects() {
    ObjectNode message =
        tree(
            "{\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}},"
                + "{\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}");
    assertThat(MessageJson.extras(message).toolCalls())
        .containsExactly(new ToolCall("", "f", "{\"a\":1}"), new ToolCall("", "g", "{}"));
  }
}
