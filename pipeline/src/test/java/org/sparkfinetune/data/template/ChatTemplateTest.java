package org.sparkfinetune.data.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.LocalDateTime;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.Conversation.TemplateInputs;
import org.sparkfinetune.data.template.ChatTemplate.AddGenerationPrompt;
import org.sparkfinetune.data.template.ChatTemplate.SpecialTokens;
import org.sparkfinetune.data.template.RenderedConversation.ContentSpan;
import org.sparkfinetune.data.template.RenderedConversation.Span;
import org.sparkfinetune.errors.UserError;

final class ChatTemplateTest {
  private static final SpecialTokens TOKENS = SpecialTokens.of("<s>", "</s>");
  private static final String LOOP =
      "{% for m in messages %}[{{ m.role }}]@BODY@{% endfor %}{% if add_generation_prompt"
          + " %}[assistant]{% endif %}";

  private static String loop(String body) {
    return LOOP.replace("@BODY@", body);
  }

  private static Conversation conversation(String... contents) {
    Role[] roles = {Role.USER, Role.ASSISTANT};
    return new Conversation(
        java.util.stream.IntStream.range(0, contents.length)
            .mapToObj(i -> new Message(roles[i % 2], contents[i]))
            .toList());
  }

  private static RenderedConversation render(String source, String... contents) {
    return ChatTemplate.of("mine", source)
        .render(conversation(contents), TOKENS, AddGenerationPrompt.NO);
  }

  private static String text(String source, String... contents) {
    return render(source, contents).text();
  }

  private static List<String> contents(RenderedConversation rendered) {
    return rendered.contents().stream()
        .map(c -> c.message() + ":" + cut(rendered, c.span()))
        .toList();
  }

  private static String cut(RenderedConversation rendered, Span span) {
    return rendered.text().substring(span.from(), span.to());
  }

  @Test
  void a_message_is_never_run_as_a_template() {
    assertThat(text(BuiltInTemplates.CHATML.template().source(), "You {{ are }} {% if %}"))
        .isEqualTo("<|im_start|>user\nYou {{ are }} {% if %}<|im_end|>\n");
  }

  @ParameterizedTest
  @EnumSource
  void built_in_templates_know_which_characters_are_content(BuiltInTemplates builtIn) {
    RenderedConversation rendered =
        builtIn
            .template()
            .render(
                conversation("user", "<|eot_id|>", "user", "x"), TOKENS, AddGenerationPrompt.NO);
    assertThat(contents(rendered)).containsExactly("0:user", "1:<|eot_id|>", "2:user", "3:x");
  }

  @ParameterizedTest
  @CsvSource({
    "{{ m.content | trim }}, '0:a\u00a0 b'",
    "{{ m['content'].strip() }}, '0:a\u00a0 b'",
    "{{ m.content }}, '0: \u3000a\u00a0 b\n '",
    "{{ m.content.rstrip() }}, '0: \u3000a\u00a0 b'",
    "{% set c = m.content | trim %}{{ c + '!' }}, '0:a\u00a0 b'",
    "{% if m.content is string %}{{ m.content | trim }}{% endif %}, '0:a\u00a0 b'",
  })
  void a_trimmed_content_is_still_content(String body, String expected) {
    RenderedConversation rendered = render(loop(body), " \u3000a\u00a0 b\n ");
    assertThat(contents(rendered)).containsExactly(expected);
  }

  @Test
  void blank_contents_are_rendered_as_they_are() {
    assertThat(text(loop("{% if m.content %}{{ m.content }}{% else %}-{% endif %}"), "", "a"))
        .isEqualTo("[user]-[assistant]a");
    assertThat(text(loop("{{ ('a ' + m.content) | trim }}"), " ")).isEqualTo("[user]a");
  }

  @Test
  void generation_blocks_give_their_spans() {
    String source =
        loop(
            "{% if m.role == 'assistant' %}{% generation %}{{ m.content | trim + eos_token }}{%"
                + " endgeneration %}{% else %}{{ m.content }}{% endif %}");
    RenderedConversation rendered = render(source, "q", " one ", "r", "two");
    assertThat(rendered.text()).isEqualTo("[user]q[assistant]one</s>[user]r[assistant]two</s>");
    assertThat(rendered.generated().orElseThrow().stream().map(s -> cut(rendered, s)))
        .containsExactly("one</s>", "two</s>");
    RenderedConversation looked =
        render(source + "{% if messages[0].content == 'n' %}{% endif %}", "q", " one ", "r", "two");
    assertThat(looked).isEqualTo(rendered);
  }

  @Test
  void a_piece_cut_out_of_a_content_is_content() {
    String source = loop("{{ m.content.split('</think>')[-1] + eos_token }}");
    RenderedConversation rendered = render(source, "q", "why</think>because");
    assertThat(rendered.text()).isEqualTo("[user]q</s>[assistant]because</s>");
    assertThat(contents(rendered)).containsExactly("0:q", "1:because");
  }

  @Test
  void what_is_made_out_of_a_content_is_known_as_such() {
    RenderedConversation rendered = render(loop("{{ m.content | upper }}"), "q");
    assertThat(rendered.contents()).containsExactly(new ContentSpan(0, new Span(6, 7), false));
  }

  @Test
  void marks_in_a_content_do_no_harm() {
    String all = "\u001c\ufdd0\ue000\ue001a\ufdd1\u001d\ufdd2\ufdd3";
    assertThat(text(loop("{{ m.content }}"), all)).isEqualTo("[user]" + all);
    assertThat(text(loop("{% if m.content %}{{ m.content }}{% endif %}"), all))
        .isEqualTo("[user]" + all);
  }

  @Test
  void python_string_methods_mean_what_python_means() {
    assertThat(text("{{ messages[0].content.split() | join(',') }}", " a  b ")).isEqualTo("a,b");
    assertThat(text("{{ messages[0].content.split('.')[1] }}", "a.b.c")).isEqualTo("b");
    assertThat(text("{{ messages[0].content.split('.', 1)[1] }}", "a.b.c")).isEqualTo("b.c");
    assertThat(text("{{ messages[0].content.startswith('a') }}", "ab")).isEqualTo("True");
    assertThat(text("{{ messages[0].content.title() }}", "ab cd")).isEqualTo("Ab Cd");
    assertThat(text("{{ messages[0].content[0] + messages[0].content[-1] }}", "abc"))
        .isEqualTo("ac");
    assertThat(text("{{ messages[0].content.lstrip('ab').rstrip('\\n') }}", "abc\n"))
        .isEqualTo("c");
    assertThat(text("{{ messages[0].content.upper().replace('B', 'x') }}", "abc")).isEqualTo("AxC");
  }

  private static final Conversation WITH_DOCUMENTS =
      new Conversation(
          conversation("q", "a").messages(),
          new TemplateInputs("", "[{\"title\": \"T\", \"text\": \"{{ x }} </s>\"}]"));

  @Test
  void what_comes_before_an_answer_is_known_of_a_template_that_needs_tools() {
    String source =
        "{% for t in tools %}{{ t.function.name }}{% endfor %}" + loop("{{ m.content }}");
    assertThat(ChatTemplate.of("mine", source).generationPrompt(TOKENS)).isEqualTo("[assistant]");
  }

  @Test
  void documents_reach_the_template_and_are_content() {
    ChatTemplate template =
        ChatTemplate.of(
            "mine",
            "{% for d in documents %}{{ d.title }}: {{ d.text }}{{ eos_token }}{% endfor %}"
                + loop("{{ m.content }}"));
    RenderedConversation rendered = template.render(WITH_DOCUMENTS, TOKENS, AddGenerationPrompt.NO);
    assertThat(rendered.text()).isEqualTo("T: {{ x }} </s></s>[user]q[assistant]a");
    assertThat(contents(rendered)).containsExactly("-1:T", "-1:{{ x }} </s>", "0:q", "1:a");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "{% set unused = documents %}"})
  void a_template_that_leaves_documents_out_is_an_error(String start) {
    ChatTemplate template = ChatTemplate.of("mine", start + loop("{{ m.content }}"));
    assertThatThrownBy(() -> template.render(WITH_DOCUMENTS, TOKENS, AddGenerationPrompt.NO))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("'mine' leaves out the documents")
        .hasMessageContaining("takes documents (chat_template: tokenizer, or a file), or remove");
  }

  @Test
  void a_template_that_cannot_do_without_documents_is_no_mistake() {
    ChatTemplate template =
        ChatTemplate.of(
            "mine", "{% if not documents %}{{ raise_exception('none') }}{% endif %}with");
    assertThat(template.render(WITH_DOCUMENTS, TOKENS, AddGenerationPrompt.NO).text())
        .isEqualTo("with");
  }

  @Test
  void raise_exception_becomes_the_users_error() {
    assertThatThrownBy(
            () -> text("\n{% if true %}{{ raise_exception('only one turn') }}{% endif %}", "a"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("'mine', line 2 refuses the conversation: only one turn");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{{ messages[0].content.foo() }}; cannot be rendered",
        "{{ nofunction(1) }}; nofunction",
        "{% if x %}; endif",
        "{{ messages; expected end of print statement, got end of template",
        "{{ messages | nofilter }}; No filter named 'nofilter'. Correct",
        "{% nonsense %}; nonsense",
      })
  void what_cannot_be_rendered_is_said_and_never_left_out(String source, String part) {
    assertThatThrownBy(() -> text(source, "a"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("'mine', line 1")
        .hasMessageContaining(part);
  }

  @Test
  void loops_have_conditions_and_alternatives() {
    String source = "{% for m in messages if m.role == 'tool' %}x{% else %}none{% endfor %}";
    assertThat(text(source, "a")).isEqualTo("none");
  }

  @Test
  void the_time_is_the_runs_and_not_the_moments() {
    ChatTemplate template =
        ChatTemplate.of(
            "t",
            "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y %H:%M') }}{% endif %}",
            LocalDateTime.of(2024, 7, 6, 5, 4));
    assertThat(template.render(conversation("a"), TOKENS, AddGenerationPrompt.NO).text())
        .isEqualTo("06 Jul 2024 05:04");
    assertThat(template.dependsOnTime()).isTrue();
  }

  @Test
  void tokens_that_a_model_lacks_are_undefined() {
    RenderedConversation rendered =
        ChatTemplate.of("t", "{{ bos_token }}{% if eos_token is defined %}x{% endif %}|")
            .render(conversation("a"), SpecialTokens.none(), AddGenerationPrompt.NO);
    assertThat(rendered.text()).isEqualTo("|");
  }
}
