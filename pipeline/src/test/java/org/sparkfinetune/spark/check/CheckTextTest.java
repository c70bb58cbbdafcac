package org.sparkfinetune.spark.check;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.template.BuiltInTemplates;
import org.sparkfinetune.data.tokenize.ConversationTokenizer;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.data.tokenize.TinyTokenizer;
import org.sparkfinetune.engine.metrics.MaskedSample;
import org.sparkfinetune.spark.check.CheckReport.CheckJson;
import org.sparkfinetune.spark.check.CheckReport.CheckLine;
import org.sparkfinetune.spark.check.CheckReport.CheckText;
import org.sparkfinetune.spark.tokenize.SampleMasks;

class CheckTextTest {
  private static final CheckReport REPORT =
      new CheckReport(
          List.of(
              CheckLine.passed("model", "2 layers"),
              CheckLine.warned("data", "3 are too long", "Raise max_seq_length."),
              CheckLine.failed("cluster", "none \u001b[2J", "Start one.")),
          List.of(sample("hi", "you \u001b[31m")));

  private static MaskedSample sample(String question, String answer) {
    try (LlamaTokenizer tokenizer = LlamaTokenizer.of(TinyTokenizer.files())) {
      ConversationTokenizer conversations =
          new ConversationTokenizer(
              tokenizer,
              BuiltInTemplates.withText("llama3").orElseThrow().template(),
              LossTarget.ASSISTANT_TURNS);
      Conversation conversation =
          new Conversation(
              List.of(new Message(Role.USER, question), new Message(Role.ASSISTANT, answer)));
      return SampleMasks.of(conversations.tokenize(conversation), tokenizer);
    }
  }

  @Test
  void every_line_says_how_it_stands_and_what_to_do() {
    assertThat(new CheckText(CheckText.Style.PLAIN).lines(REPORT))
        .contains("pass  model           2 layers", "warn  data            3 are too long")
        .contains("                      -> Raise max_seq_length.")
        .endsWith("1 passed, 1 warned, 1 failed");
    assertThat(REPORT.hasFailed()).isTrue();
  }

  @Test
  void trained_text_stands_out_with_and_without_colours() {
    String plain = String.join("\n", new CheckText(CheckText.Style.PLAIN).lines(REPORT));
    assertThat(plain).contains("the loss is taken over", "«you ").doesNotContain("«hi");
    String coloured = String.join("\n", new CheckText(CheckText.Style.COLOUR).lines(REPORT));
    assertThat(coloured).contains("\u001b[32myou ").contains("\u001b[31mFAIL");
  }

  @Test
  void text_of_the_data_cannot_steer_the_terminal() {
    String plain = String.join("\n", new CheckText(CheckText.Style.PLAIN).lines(REPORT));
    assertThat(plain).doesNotContain("\u001b").contains("\\u001b[31m", "\\u001b[2J");
  }

  @Test
  void the_pieces_of_a_sample_are_its_whole_text() {
    MaskedSample sample = sample("héllo 😀", "größe");
    String text = String.join("", sample.pieces().stream().map(MaskedSample.Piece::text).toList());
    assertThat(text).contains("héllo 😀", "größe");
    assertThat(sample.trainedTokens()).isPositive().isLessThan(sample.tokens());
  }

  @Test
  void the_json_says_the_same() throws IOException {
    JsonNode json = new ObjectMapper().readTree(CheckJson.of(REPORT));
    assertThat(json.path("failed").asInt()).isEqualTo(1);
    assertThat(json.path("checks").findValuesAsText("verdict"))
        .containsExactly("passed", "warned", "failed");
    assertThat(json.path("samples").get(0).path("pieces").findValuesAsText("trained"))
        .contains("true", "false");
  }
}
