package org.sparkfinetune.data.conversation;

import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import org.sparkfinetune.errors.UserError;

/**
 * Messages in the order in which they were said. Whether that order can be trained on is a matter
 * of the data, not of this type: a prompt for generation ends with the user's turn.
 *
 * @param messages unmodifiable
 * @param inputs what a template gets besides
 * @param rejected of a preference the whole conversation with the answer that is not preferred, a
 *     JSON array of messages; empty elsewhere. The prompt is what both begin with
 */
public record Conversation(List<Message> messages, TemplateInputs inputs, String rejected) {
  public Conversation {
    messages = List.copyOf(messages);
    Objects.requireNonNull(inputs, "inputs");
    Objects.requireNonNull(rejected, "rejected");
  }

  public Conversation(List<Message> messages, TemplateInputs inputs) {
    this(messages, inputs, "");
  }

  public Conversation(List<Message> messages) {
    this(messages, TemplateInputs.NONE);
  }

  /**
   * The same with an answer that is not preferred.
   *
   * @param others all messages, the prompt's too
   */
  public Conversation rather(List<Message> others) {
    return new Conversation(messages, inputs, MessageJson.array(others));
  }

  /**
   * The other side of a preference.
   *
   * @throws UserError if it holds something that is no message
   */
  public Optional<Conversation> rejectedOne() {
    return rejected.isEmpty()
        ? Optional.empty()
        : Optional.of(new Conversation(MessageJson.messages(rejected, "rejected"), inputs));
  }

  /** How many messages two conversations both begin with: the prompt of a preference. */
  public static int sharedTurns(List<Message> one, List<Message> other) {
    int same = 0;
    while (same < Math.min(one.size(), other.size()) && one.get(same).equals(other.get(same))) {
      same++;
    }
    return same;
  }

  /** Without the assistant's last answer, if it ends with one. */
  public Conversation question() {
    int last = messages.size() - 1;
    return last >= 0 && messages.get(last).role() == Role.ASSISTANT
        ? new Conversation(messages.subList(0, last), inputs)
        : this;
  }

  /**
   * What templates get besides messages: JSON arrays as texts, empty where there is none.
   *
   * @param tools the tools that the assistant may call, {@code {"type": "function", "function":
   *     {…}}} each
   * @param documents what the assistant may answer from, objects each, mostly of {@code title} and
   *     {@code text}
   */
  public record TemplateInputs(String tools, String documents) {
    public static final TemplateInputs NONE = new TemplateInputs("", "");

    public TemplateInputs {
      Objects.requireNonNull(tools, "tools");
      Objects.requireNonNull(documents, "documents");
    }
  }

  /**
   * One turn of a conversation.
   *
   * @param content the text as it came, neither trimmed nor normalised; may be empty
   */
  public record Message(Role role, String content, Extras extras) {
    public Message {
      Objects.requireNonNull(role, "role");
      Objects.requireNonNull(content, "content");
      Objects.requireNonNull(extras, "extras");
    }

    public Message(Role role, String content) {
      this(role, content, Extras.NONE);
    }
  }

  /**
   * What messages of data sets with tools, reasoning or weights have besides; texts are empty where
   * there is none.
   *
   * @param contentIsNull whether the content is JSON's null, which templates tell from an empty
   *     text
   * @param untrained whether this turn is read and never learnt ({@code weight: 0})
   */
  public record Extras(
      List<ToolCall> toolCalls,
      String toolCallId,
      String name,
      String reasoningContent,
      boolean contentIsNull,
      boolean untrained) {
    public static final Extras NONE = new Extras(List.of(), "", "", "", false, false);

    public Extras {
      toolCalls = List.copyOf(toolCalls);
    }

    public boolean isNone() {
      return equals(NONE);
    }
  }

  /**
   * A tool that the assistant calls.
   *
   * @param id may be empty
   * @param arguments a JSON object
   */
  public record ToolCall(String id, String name, String arguments) {}

  /** Who speaks. Chat templates and data files use the lower-case {@link #text()}. */
  public enum Role {
    SYSTEM,
    USER,
    ASSISTANT,
    /** The result of a call. */
    TOOL,
    /** OpenAI's newer name of the system's role; a template that does not know it sees system. */
    DEVELOPER;

    private final String text = name().toLowerCase(Locale.ROOT);

    /** {@code system}, {@code user}, {@code assistant}, {@code tool} or {@code developer}. */
    public String text() {
      return text;
    }

    /** Whether such a message can open a conversation and no turn of it. */
    public boolean opens() {
      return this == SYSTEM || this == DEVELOPER;
    }

    /**
     * The role with exactly this text.
     *
     * @throws UserError if there is none
     */
    public static Role named(String text) {
      return withText(text)
          .orElseThrow(() -> new UserError("role '%s', allowed: %s".formatted(text, known())));
    }

    /** All texts, for messages. */
    public static String known() {
      return "system, user, assistant, tool, developer";
    }

    /** The role with exactly this text; empty for any other spelling. */
    public static Optional<Role> withText(String text) {
      for (Role role : values()) {
        if (role.text.equals(text)) {
          return Optional.of(role);
        }
      }
      return Optional.empty();
    }
  }
}
