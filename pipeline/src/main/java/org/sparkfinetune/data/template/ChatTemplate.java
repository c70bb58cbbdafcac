package org.sparkfinetune.data.template;

import java.io.Serializable;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Extras;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.Conversation.TemplateInputs;
import org.sparkfinetune.data.conversation.Conversation.ToolCall;
import org.sparkfinetune.data.jinja.Template;
import org.sparkfinetune.data.jinja.Template.Rendering;
import org.sparkfinetune.data.jinja.TemplateError;
import org.sparkfinetune.data.template.RenderedConversation.ContentSpan;
import org.sparkfinetune.data.template.RenderedConversation.Span;
import org.sparkfinetune.errors.Sentence;
import org.sparkfinetune.errors.UserError;

/**
 * A Hugging Face chat template: Jinja that turns a conversation into the text the model reads, with
 * the variables and functions of transformers' {@code apply_chat_template}. Safe for use by several
 * threads.
 */
public final class ChatTemplate implements Serializable {
  private static final long serialVersionUID = 1L;
  private static final TemplateInputs A_TOOL =
      new TemplateInputs(
          """
          [{"type": "function", "function": {"name": "x", "description": "x", "parameters":
            {"type": "object", "properties": {}, "required": []}}}]""",
          "");
  private static final String CLOCK = "strftime_now";
  private static final String TOOLS = "tools";
  private static final String DOCUMENTS = "documents";

  private final String name;
  private final String source;
  private final LocalDateTime now;
  private final transient Template template;

  /** For conversations with tools; null for this one. */
  private final @Nullable ChatTemplate toolUse;

  private ChatTemplate(
      String name, String source, LocalDateTime now, @Nullable ChatTemplate toolUse) {
    this.toolUse = toolUse;
    this.name = name;
    this.source = source;
    this.now = now;
    try {
      this.template = Template.parse(source);
    } catch (TemplateError e) {
      throw error(e);
    }
  }

  /**
   * @param name for messages: a built-in's name, a file, "tokenizer"
   * @throws UserError if the template is not valid
   */
  public static ChatTemplate of(String name, String source) {
    return of(name, source, LocalDateTime.now());
  }

  /**
   * @param now what {@code strftime_now} tells, the same for every conversation of a run
   */
  public static ChatTemplate of(String name, String source, LocalDateTime now) {
    return new ChatTemplate(name, source, now, null);
  }

  /** The same with another template for conversations with tools. */
  public ChatTemplate withTools(ChatTemplate other) {
    return new ChatTemplate(name, source, now, other);
  }

  /**
   * The same at another time.
   *
   * @param time what {@code strftime_now} tells
   */
  public ChatTemplate at(LocalDateTime time) {
    return new ChatTemplate(name, source, time, toolUse == null ? null : toolUse.at(time));
  }

  /** What conversations with tools are rendered by; this one, unless there is another. */
  public ChatTemplate forTools() {
    return toolUse == null ? this : toolUse;
  }

  /** A parsed template is not sent to executors: they parse it. */
  private Object readResolve() {
    return new ChatTemplate(name, source, now, toolUse);
  }

  public String name() {
    return name;
  }

  public String source() {
    return source;
  }

  public LocalDateTime now() {
    return now;
  }

  /** Whether the text can change with the date. */
  public boolean dependsOnTime() {
    return source.contains(CLOCK) || forTools().source.contains(CLOCK);
  }

  /** Whether the template marks the assistant's text by {@code {% generation %}}. */
  public boolean marksGenerated() {
    return template.marksGenerated();
  }

  /**
   * @throws UserError with the template's name, line and reason if it fails or refuses the
   *     conversation
   */
  public RenderedConversation render(
      Conversation conversation, SpecialTokens tokens, AddGenerationPrompt prompt) {
    if (toolUse != null && !conversation.inputs().tools().isEmpty()) {
      return toolUse.render(conversation, tokens, prompt);
    }
    checkCalls(conversation);
    Map<String, @Nullable Object> variables = variables(conversation, tokens, prompt);
    Rendering rendering;
    try {
      rendering = template.render(variables, now);
    } catch (TemplateError e) {
      throw error(e);
    }
    if (!conversation.inputs().documents().isEmpty()) {
      checkDocuments(rendering.text(), variables);
    }
    List<ContentSpan> contents =
        rendering.sources().stream()
            .map(s -> new ContentSpan(TracedJson.message(s.source()), span(s), s.isCopy()))
            .toList();
    Optional<List<Span>> generated =
        marksGenerated()
            ? Optional.of(rendering.generated().stream().map(ChatTemplate::span).toList())
            : Optional.empty();
    return new RenderedConversation(rendering.text(), contents, generated);
  }

  private void checkCalls(Conversation conversation) {
    boolean calls =
        conversation.messages().stream().anyMatch(m -> !m.extras().toolCalls().isEmpty());
    if (calls && !source.contains("tool_calls")) {
      throw new UserError(
          "The chat template '%s' knows no tool_calls, and would leave out the calls of tools that this conversation has. Name the template of a model that calls tools (chat_template: tokenizer, or a file)."
              .formatted(name));
    }
  }

  private void checkDocuments(String text, Map<String, @Nullable Object> variables) {
    if (source.contains(DOCUMENTS) && !text.equals(withoutDocuments(variables))) {
      return;
    }
    throw new UserError(
        "The chat template '%s' leaves out the documents that this conversation has. Name the template of a model that takes documents (chat_template: tokenizer, or a file), or remove the column documents before prepare."
            .formatted(name));
  }

  /** Another text than any if the template cannot do without documents. */
  private String withoutDocuments(Map<String, @Nullable Object> variables) {
    Map<String, @Nullable Object> without = new HashMap<>(variables);
    without.put(DOCUMENTS, null);
    try {
      return template.render(without, now).text();
    } catch (TemplateError needsThem) {
      return "";
    }
  }

  private static Span span(Rendering.Source source) {
    return new Span(source.from(), source.to());
  }

  /**
   * With variables as they are: nothing is made of them first.
   *
   * @throws UserError as {@link #render(Conversation, SpecialTokens, AddGenerationPrompt)}
   */
  public String render(Map<String, ? extends @Nullable Object> variables) {
    if (toolUse != null && variables.get(TOOLS) != null) {
      return toolUse.render(variables);
    }
    try {
      return template.render(variables, now).text();
    } catch (TemplateError e) {
      throw error(e);
    }
  }

  /**
   * What the template writes where the assistant is to speak next, as a model sees it before each
   * of its answers; empty if the template writes nothing there or refuses a single question, with a
   * tool and without.
   */
  public String generationPrompt(SpecialTokens tokens) {
    List<Message> question = List.of(new Message(Role.USER, "x"));
    return generationPrompt(new Conversation(question), tokens)
        .or(() -> generationPrompt(new Conversation(question, A_TOOL), tokens))
        .orElse("");
  }

  private Optional<String> generationPrompt(Conversation question, SpecialTokens tokens) {
    try {
      String without = render(question, tokens, AddGenerationPrompt.NO).text();
      String with = render(question, tokens, AddGenerationPrompt.YES).text();
      return Optional.of(with.startsWith(without) ? with.substring(without.length()) : "");
    } catch (UserError refusesQuestion) {
      return Optional.empty();
    }
  }

  /**
   * Whether something that the assistant said, and that is to be trained, is left out or changed.
   */
  public boolean cutsAnswers(Conversation conversation, SpecialTokens tokens) {
    RenderedConversation rendered = render(conversation, tokens, AddGenerationPrompt.NO);
    for (int i = 0; i < conversation.messages().size(); i++) {
      Message message = conversation.messages().get(i);
      int index = i;
      int kept =
          rendered.contents().stream()
              .filter(c -> c.message() == index)
              .mapToInt(c -> visible(rendered.text().substring(c.span().from(), c.span().to())))
              .sum();
      int said = visible(message.content()) + visible(message.extras().reasoningContent());
      if (message.role() == Role.ASSISTANT && !message.extras().untrained() && kept < said) {
        return true;
      }
    }
    return false;
  }

  private static int visible(String text) {
    return (int) text.chars().filter(c -> !Character.isWhitespace(c)).count();
  }

  private Map<String, @Nullable Object> variables(
      Conversation conversation, SpecialTokens tokens, AddGenerationPrompt prompt) {
    Map<String, @Nullable Object> variables = new HashMap<>();
    List<Map<String, @Nullable Object>> messages = new ArrayList<>();
    for (int i = 0; i < conversation.messages().size(); i++) {
      messages.add(message(conversation.messages().get(i), i));
    }
    variables.put("messages", messages);
    variables.put(TOOLS, input(conversation.inputs().tools()));
    variables.put(DOCUMENTS, input(conversation.inputs().documents()));
    variables.put("add_generation_prompt", prompt == AddGenerationPrompt.YES);
    variables.putAll(tokens.byName());
    return variables;
  }

  private static @Nullable Object input(String json) {
    return json.isEmpty() ? null : TracedJson.of(json, ContentSpan.NO_MESSAGE);
  }

  private Map<String, @Nullable Object> message(Message message, int index) {
    Map<String, @Nullable Object> map = new LinkedHashMap<>();
    Extras extras = message.extras();
    map.put("role", role(message.role()));
    map.put("content", extras.contentIsNull() ? null : TracedJson.text(message.content(), index));
    if (extras.isNone()) {
      return map;
    }
    put(map, "reasoning_content", extras.reasoningContent(), index);
    if (!extras.toolCalls().isEmpty()) {
      map.put("tool_calls", extras.toolCalls().stream().map(call -> call(call, index)).toList());
    }
    put(map, "tool_call_id", extras.toolCallId(), index);
    put(map, "name", extras.name(), index);
    return map;
  }

  /** A template that knows no developer has its words for the system's message. */
  private String role(Role role) {
    return role == Role.DEVELOPER && !source.contains(Role.DEVELOPER.text())
        ? Role.SYSTEM.text()
        : role.text();
  }

  private static Map<String, Object> call(ToolCall call, int index) {
    Map<String, Object> map = new LinkedHashMap<>();
    if (!call.id().isEmpty()) {
      map.put("id", TracedJson.text(call.id(), index));
    }
    map.put("type", "function");
    map.put("function", function(call, index));
    return map;
  }

  private static Map<String, Object> function(ToolCall call, int index) {
    Map<String, Object> function = new LinkedHashMap<>();
    function.put("name", TracedJson.text(call.name(), index));
    function.put("arguments", Objects.requireNonNull(TracedJson.of(call.arguments(), index)));
    return function;
  }

  private static void put(Map<String, @Nullable Object> map, String name, String text, int index) {
    if (!text.isEmpty()) {
      map.put(name, TracedJson.text(text, index));
    }
  }

  private UserError error(TemplateError e) {
    String where = e.line().isPresent() ? ", line " + e.line().getAsInt() : "";
    String verb =
        switch (e.kind()) {
          case SYNTAX, ASSERTION -> "is no valid template";
          case RAISED -> "refuses the conversation";
          default -> "cannot be rendered";
        };
    String next =
        e.kind() == TemplateError.Kind.RAISED
            ? "Change the conversation or name another chat_template."
            : "Correct the template or name another chat_template.";
    return new UserError(
        "The chat template '%s'%s %s: %s %s"
            .formatted(name, where, verb, Sentence.ended(String.valueOf(e.getMessage())), next),
        e);
  }

  /** Whether the text ends with the header of the assistant's next turn, for the model to go on. */
  public enum AddGenerationPrompt {
    NO,
    YES
  }

  /**
   * The special tokens that a template sees; those that a model lacks are undefined there.
   *
   * @param byName all of them, as {@code bos_token}, {@code pad_token} and so on; sorted, since
   *     packed rows are called by a hash of them, and {@code Map.copyOf} has another order in each
   *     process
   */
  public record SpecialTokens(
      Optional<String> bos, Optional<String> eos, Map<String, String> byName) {
    public SpecialTokens {
      byName = Collections.unmodifiableSortedMap(new TreeMap<>(byName));
    }

    public static SpecialTokens of(String bos, String eos) {
      return new SpecialTokens(
          Optional.of(bos), Optional.of(eos), Map.of("bos_token", bos, "eos_token", eos));
    }

    public static SpecialTokens none() {
      return new SpecialTokens(Optional.empty(), Optional.empty(), Map.of());
    }
  }
}
