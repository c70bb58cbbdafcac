package org.sparkfinetune.data.jinja;

import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.jinja.JinjaEngine.Marking;
import org.sparkfinetune.data.jinja.RenderedConversation.MessageSpan;
import org.sparkfinetune.data.jinja.RenderedConversation.Origin;
import org.sparkfinetune.data.jinja.RenderedConversation.Span;
import org.sparkfinetune.errors.UserError;

/**
 * A Hugging Face chat template: Jinja that turns a conversation into the text the model reads, with
 * {@code messages}, {@code bos_token}, {@code eos_token}, {@code add_generation_prompt}, {@code
 * raise_exception}, {@code strftime_now} and {@code {% generation %}} as in transformers' {@code
 * apply_chat_template}. Safe for use by several threads.
 */
public final class ChatTemplate {
  /** More sequences of roles than any data set has; a bound for those that never repeat. */
  private static final int MAX_SKELETONS = 4096;

  private record Shape(List<Role> roles, SpecialTokens tokens, AddGenerationPrompt prompt) {}

  private final String name;
  private final String source;
  private final LocalDateTime now;
  private final JinjaEngine engine;
  private final boolean onlyCopies;
  private final boolean marksGenerated;
  private final Map<Shape, RenderedRoles> frames = new ConcurrentHashMap<>();

  private ChatTemplate(String name, String source, LocalDateTime now) {
    this.name = name;
    this.source = source;
    this.now = now;
    // Jinja drops one newline at the very end of a template, jinjava keeps it.
    String body = source.endsWith("\n") ? source.substring(0, source.length() - 1) : source;
    this.engine = new JinjaEngine(name, body, now);
    List<TemplateTag> tags = TemplateTag.of(body);
    new TemplateCheck(name, engine::knowsFilter).check(tags);
    this.onlyCopies = ContentFlow.onlyCopies(tags);
    this.marksGenerated = tags.stream().anyMatch(tag -> tag.blockName().equals("generation"));
  }

  /**
   * @param name for messages: a built-in's name, a file, "tokenizer"
   * @throws UserError if the template needs what is not supported here
   */
  public static ChatTemplate of(String name, String source) {
    return of(name, source, LocalDateTime.now());
  }

  /**
   * @param now what {@code strftime_now} tells, the same for every conversation of a run
   */
  public static ChatTemplate of(String name, String source, LocalDateTime now) {
    return new ChatTemplate(name, source, now);
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
    return source.contains("strftime_now");
  }

  /** Whether the template marks the assistant's text by {@code {% generation %}}. */
  public boolean marksGenerated() {
    return marksGenerated;
  }

  /**
   * @throws UserError with the template's name, line and reason if it fails or refuses the
   *     conversation
   */
  public RenderedConversation render(
      Conversation conversation, SpecialTokens tokens, AddGenerationPrompt prompt) {
    List<Message> messages = conversation.messages();
    if (onlyCopies && messages.stream().noneMatch(ChatTemplate::isBlank)) {
      Optional<RenderedRoles> frame = frame(messages, tokens, prompt);
      if (frame.isPresent()) {
        return frame.get().fill(messages);
      }
    }
    return trace(messages, tokens, prompt);
  }

  private static boolean isBlank(Message message) {
    return PythonStrings.strip(message.content()).isEmpty();
  }

  private Optional<RenderedRoles> frame(
      List<Message> messages, SpecialTokens tokens, AddGenerationPrompt prompt) {
    Shape shape = new Shape(messages.stream().map(Message::role).toList(), tokens, prompt);
    RenderedRoles known = frames.get(shape);
    if (known != null) {
      return Optional.of(known);
    }
    List<Message> empty = messages.stream().map(m -> new Message(m.role(), "")).toList();
    Optional<RenderedRoles> made =
        ContentMarkers.remove(engine.render(marked(empty), tokens, prompt, Marking.ON))
            .map(around -> new RenderedRoles(around, marksGenerated));
    if (frames.size() < MAX_SKELETONS) {
      made.ifPresent(frame -> frames.put(shape, frame));
    }
    return made;
  }

  private static List<Message> marked(List<Message> messages) {
    List<Message> marked = new ArrayList<>(messages.size());
    for (int i = 0; i < messages.size(); i++) {
      Message message = messages.get(i);
      marked.add(new Message(message.role(), ContentMarkers.around(i, message.content())));
    }
    return marked;
  }

  /**
   * The plain rendering is the truth. A second one with markers around the contents tells where
   * they went, and is believed only if it is the same text.
   */
  private RenderedConversation trace(
      List<Message> messages, SpecialTokens tokens, AddGenerationPrompt prompt) {
    String text = engine.render(messages, tokens, prompt, Marking.OFF);
    boolean markable = messages.stream().noneMatch(m -> ContentMarkers.occurIn(m.content()));
    Optional<ContentMarkers.Unmarked> traced =
        markable
            ? ContentMarkers.remove(renderMarked(messages, tokens, prompt))
                .filter(unmarked -> unmarked.text().equals(text))
            : Optional.empty();
    return traced
        .map(unmarked -> tracedText(unmarked, messages))
        .orElseGet(() -> untraced(text, messages, tokens, prompt));
  }

  private String renderMarked(
      List<Message> messages, SpecialTokens tokens, AddGenerationPrompt prompt) {
    List<Message> marked = new ArrayList<>(marked(messages));
    for (int i = 0; i < messages.size(); i++) {
      // A template may ask whether there is any content; markers would answer for it.
      if (isBlank(messages.get(i))) {
        marked.set(i, messages.get(i));
      }
    }
    try {
      return engine.render(marked, tokens, prompt, Marking.ON);
    } catch (UserError refusesMarks) {
      return String.valueOf(ContentMarkers.END_GENERATION);
    }
  }

  private RenderedConversation tracedText(
      ContentMarkers.Unmarked unmarked, List<Message> messages) {
    List<MessageSpan> contents =
        unmarked.contents().stream()
            .map(c -> new MessageSpan(c.message(), messages.get(c.message()).role(), c.span()))
            .toList();
    Optional<List<Span>> generated =
        marksGenerated ? Optional.of(spans(unmarked.generation())) : Optional.empty();
    return new RenderedConversation(unmarked.text(), new Origin.Traced(contents), generated);
  }

  private static List<Span> spans(List<ContentMarkers.Border> borders) {
    List<Span> spans = new ArrayList<>();
    for (int i = 0; i + 1 < borders.size(); i += 2) {
      spans.add(new Span(borders.get(i).position(), borders.get(i + 1).position()));
    }
    return spans;
  }

  private RenderedConversation untraced(
      String text, List<Message> messages, SpecialTokens tokens, AddGenerationPrompt prompt) {
    // Generated text is marked by the template itself, whatever became of the contents.
    Optional<List<Span>> generated =
        marksGenerated && messages.stream().noneMatch(m -> ContentMarkers.occurIn(m.content()))
            ? ContentMarkers.remove(engine.render(messages, tokens, prompt, Marking.ON))
                .filter(unmarked -> unmarked.text().equals(text))
                .map(unmarked -> spans(unmarked.generation()))
            : Optional.empty();
    return new RenderedConversation(
        text, new Origin.Untraced(assistantTurns(text, messages, tokens)), generated);
  }

  private Optional<List<MessageSpan>> assistantTurns(
      String text, List<Message> messages, SpecialTokens tokens) {
    List<MessageSpan> turns = new ArrayList<>();
    for (int i = 0; i < messages.size(); i++) {
      if (messages.get(i).role() == Role.ASSISTANT) {
        Optional<Span> turn = turn(text, messages, i, tokens);
        if (turn.isEmpty()) {
          return Optional.empty();
        }
        turns.add(new MessageSpan(i, Role.ASSISTANT, turn.get()));
      }
    }
    return Optional.of(turns);
  }

  private Optional<Span> turn(String text, List<Message> messages, int i, SpecialTokens tokens) {
    try {
      String before =
          engine.render(messages.subList(0, i), tokens, AddGenerationPrompt.YES, Marking.OFF);
      String after =
          engine.render(messages.subList(0, i + 1), tokens, AddGenerationPrompt.NO, Marking.OFF);
      return after.startsWith(before) && text.startsWith(after)
          ? Optional.of(new Span(before.length(), after.length()))
          : Optional.empty();
    } catch (UserError refusesBeginning) {
      return Optional.empty();
    }
  }

  /** Whether the text ends with the header of the assistant's next turn, for the model to go on. */
  public enum AddGenerationPrompt {
    NO,
    YES
  }

  /**
   * What a template sees as {@code bos_token} and {@code eos_token}; undefined there when empty.
   */
  public record SpecialTokens(Optional<String> bos, Optional<String> eos) {
    public static SpecialTokens of(String bos, String eos) {
      return new SpecialTokens(Optional.of(bos), Optional.of(eos));
    }

    public static SpecialTokens none() {
      return new SpecialTokens(Optional.empty(), Optional.empty());
    }
  }
}
