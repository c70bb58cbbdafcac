package org.sparkfinetune.data.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.template.BuiltInTemplates;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.ConversationTokenizer.TokenizedSample;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.data.tokenize.PairTokenizer.TokenizedPair;
import org.sparkfinetune.errors.UserError;

final class PairTokenizerTest {
  private static LlamaTokenizer tokenizer;

  @BeforeAll
  static void load() {
    tokenizer = LlamaTokenizer.of(TinyTokenizer.files());
  }

  @AfterAll
  static void close() {
    tokenizer.close();
  }

  private static Conversation pair(String chosen, String rejected) {
    Message asked = new Message(Role.USER, "q");
    return new Conversation(List.of(asked, new Message(Role.ASSISTANT, chosen)))
        .rather(List.of(asked, new Message(Role.ASSISTANT, rejected)));
  }

  private static ConversationTokenizer whole(ChatTemplate template) {
    return new ConversationTokenizer(tokenizer, template, LossTarget.EVERY_TOKEN);
  }

  private static String trained(TokenizedSample sample) {
    List<Integer> ids = new ArrayList<>();
    for (int i = 0; i < sample.length(); i++) {
      if (sample.trained()[i]) {
        ids.add(sample.ids()[i]);
      }
    }
    return tokenizer.decode(ids.stream().mapToInt(i -> i).toArray());
  }

  @Test
  void answers_with_what_ends_them_are_trained_and_the_prompt_is_not() {
    for (ChatTemplate template :
        List.of(BuiltInTemplates.LLAMA3.template(), BuiltInTemplates.REFERENCE.template())) {
      ConversationTokenizer whole = whole(template);
      Conversation conversation = pair("yes, it is", "no");
      TokenizedPair made = new PairTokenizer(whole).tokenize(conversation);
      int[] prompt = whole.prompt(conversation.question());
      assertThat(made.chosen().ids()).isEqualTo(whole.tokenize(conversation).ids());
      assertThat(Arrays.copyOf(made.rejected().ids(), prompt.length)).isEqualTo(prompt);
      assertThat(made.chosen().firstTrained()).isEqualTo(prompt.length);
      assertThat(trained(made.chosen())).startsWith("yes, it is").hasSizeGreaterThan(10);
      assertThat(trained(made.rejected())).startsWith("no");
      assertThat(made.length()).isEqualTo(made.chosen().length());
    }
  }

  /** As TRL does, where a template writes something between prompt and answer once it is there. */
  @Test
  void where_a_template_renders_the_prompt_otherwise_the_answer_begins_where_they_part() {
    ChatTemplate template =
        ChatTemplate.of(
            "thinking",
            "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}{% if"
                + " add_generation_prompt %}assistant:THINK{% endif %}");
    TokenizedPair made = new PairTokenizer(whole(template)).tokenize(pair("yes", "no"));
    assertThat(trained(made.chosen())).isEqualTo("yes;");
    assertThat(trained(made.rejected())).isEqualTo("no;");
  }

  @Test
  void a_row_holds_both_sequences_and_each_is_cut_at_its_length() {
    TokenizedPair made =
        new PairTokenizer(whole(BuiltInTemplates.LLAMA3.template()))
            .tokenize(pair("a long answer of many words", "no"));
    int length = made.rejected().length() + 2;
    assertThat(made.chosen().length()).isGreaterThan(length);
    PackedRowBuilder builder = new PackedRowBuilder(2 * length, length, 0);
    builder.add(LabelledIds.of(made).ids());
    int tokens = builder.tokens();
    assertThat(tokens).isEqualTo(length + made.rejected().length());
    PackedRow row = builder.build();
    int[] ids = Arrays.copyOf(made.chosen().ids(), length + made.rejected().length());
    System.arraycopy(made.rejected().ids(), 0, ids, length, made.rejected().length());
    assertThat(Arrays.copyOf(row.inputIds(), tokens)).isEqualTo(ids);
    for (int i = 0; i < tokens; i++) {
      boolean first = i < length;
      TokenizedSample sample = first ? made.chosen() : made.rejected();
      int at = first ? i : i - length;
      assertThat(row.segmentIds()[i]).isEqualTo(first ? 0 : 1);
      assertThat(row.positionIds()[i]).isEqualTo(at);
      assertThat(row.labels()[i])
          .isEqualTo(sample.trained()[at] ? sample.ids()[at] : PackedRow.NOT_TRAINED);
    }
    assertThat(row.segmentIds()[tokens]).isEqualTo(PackedRow.PADDING);
  }

  @Test
  void what_is_no_pair_is_refused() {
    PairTokenizer pairs = new PairTokenizer(whole(BuiltInTemplates.LLAMA3.template()));
    Conversation alone = pair("yes", "no").question();
    assertThatThrownBy(() -> pairs.tokenize(new Conversation(alone.messages())))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("there is no rejected answer")
        .hasMessageContaining("dataset: preference");
    assertThatThrownBy(() -> pairs.tokenize(pair("same", "same")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("part at message 3");
  }
}
