package org.sparkfinetune.data.conversation;

import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.UNKNOWN_ROLE;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.Conversation.Extras;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.errors.UserError;

/**
 * The shapes of rows that become conversations; {@link #text()} is the value of {@code dataset}.
 */
public enum RowShape {
  /** {@code question}, {@code context}, {@code answer}. */
  SQL_CREATE_CONTEXT("sql-create-context"),
  /** {@code messages}, with a system message put before those that have none. */
  NO_ROBOTS("no_robots"),
  /** {@code messages} of {@code role} and {@code content}, as OpenAI has them. */
  MESSAGES("messages"),
  /** {@code conversations} of {@code from} and {@code value}. */
  SHAREGPT("sharegpt"),
  /** {@code instruction}, {@code input}, {@code output}. */
  ALPACA("alpaca"),
  /** {@code prompt} and {@code completion}. */
  INSTRUCTION("instruction"),
  /** {@code prompt}, {@code chosen} and {@code rejected}, as TRL has preferences. */
  PREFERENCE("preference"),
  /** Any columns, put into messages by the {@code template} of the configuration. */
  TEMPLATE("template");

  private final String text;

  RowShape(String text) {
    this.text = text;
  }

  public String text() {
    return text;
  }

  /**
   * What turns rows of this shape into conversations.
   *
   * @param systemMessage replaces the shape's own
   */
  public Converter converter(Optional<String> systemMessage, Optional<MessageTemplate> template) {
    if (this != TEMPLATE && template.isPresent()) {
      throw new UserError(
          "template: belongs to dataset 'template', but dataset is '%s'. Remove one of them."
              .formatted(text));
    }
    return switch (this) {
      case SQL_CREATE_CONTEXT ->
          new SqlCreateContext(systemMessage.orElse(SqlCreateContext.SYSTEM_MESSAGE));
      case NO_ROBOTS ->
          new OpenAiMessages(SystemMessage.of(systemMessage.orElse(OpenAiMessages.NO_ROBOTS)));
      case MESSAGES -> new OpenAiMessages(SystemMessage.of(systemMessage));
      case SHAREGPT -> new ShareGpt(SystemMessage.of(systemMessage));
      case ALPACA -> new Alpaca(SystemMessage.of(systemMessage));
      case INSTRUCTION -> new Instruction(SystemMessage.of(systemMessage));
      case PREFERENCE -> new PreferencePair(SystemMessage.of(systemMessage));
      case TEMPLATE ->
          new Templated(
              SystemMessage.of(systemMessage),
              template.orElseThrow(
                  () ->
                      new UserError(
                          "template: missing. dataset 'template' needs it: a text for 'user' and"
                              + " one for 'assistant' (and 'system' if wanted), with columns in"
                              + " braces, like \"Question: {question}\".")));
    };
  }

  /** A pure function from a row of a known shape to a conversation that can be trained on. */
  public interface Converter extends Serializable {
    /**
     * The row as a conversation.
     *
     * @throws RejectedRow if the row lacks something, or holds something that could only be taken
     *     by guessing
     */
    Conversation convert(ObjectNode row) throws RejectedRow;

    /** The columns that {@link #convert} looks at, whether or not a row has to have them. */
    Set<String> columns();
  }

  /**
   * {@code instruction}, {@code input} (may be absent or empty), {@code output}, and {@code
   * history} for earlier turns, pairs of question and answer. The input follows the instruction
   * after a blank line. Alpaca's own frame ("Below is an instruction…") is left out: it is what a
   * base model without a chat template needed.
   */
  record Alpaca(SystemMessage system) implements Converter {
    @Override
    public Set<String> columns() {
      return Set.of("instruction", "input", "output", "system", "history");
    }

    @Override
    public Conversation convert(ObjectNode row) throws RejectedRow {
      String instruction = Fields.text(row, "instruction", "");
      String input = Fields.textOrEmpty(row, "input", "");
      String output = Fields.text(row, "output", "");
      String own = Fields.textOrEmpty(row, "system", "");
      SystemMessage opening = own.isEmpty() ? system : SystemMessage.of(own);
      String between = instruction.isEmpty() ? "" : "\n\n";
      String prompt = input.isBlank() ? instruction : instruction + between + input;
      List<Message> messages = new ArrayList<>(history(row));
      messages.add(new Message(Role.USER, prompt));
      messages.add(new Message(Role.ASSISTANT, output));
      return TrainableShape.checked(opening.before(messages));
    }

    private static List<Message> history(ObjectNode row) throws RejectedRow {
      List<Message> messages = new ArrayList<>();
      if (Fields.holdsSomething(row, "history")) {
        ArrayNode history = Fields.array(row, "history", "");
        for (int i = 0; i < history.size(); i++) {
          String where = "history[" + i + "]";
          if (!(history.get(i) instanceof ArrayNode pair) || pair.size() != 2) {
            throw Fields.wrongType(history.get(i), where, "a pair of question and answer");
          }
          messages.add(new Message(Role.USER, Fields.text(pair.get(0), where + "[0]")));
          messages.add(new Message(Role.ASSISTANT, Fields.text(pair.get(1), where + "[1]")));
        }
      }
      return messages;
    }
  }

  /** {@code prompt} and {@code completion}, one turn each. */
  record Instruction(SystemMessage system) implements Converter {
    @Override
    public Set<String> columns() {
      return Set.of("prompt", "completion");
    }

    @Override
    public Conversation convert(ObjectNode row) throws RejectedRow {
      String prompt = Fields.text(row, "prompt", "");
      String completion = Fields.text(row, "completion", "");
      return TrainableShape.checked(
          system.before(
              List.of(new Message(Role.USER, prompt), new Message(Role.ASSISTANT, completion))));
    }
  }

  /**
   * {@code conversations} of {@code from} and {@code value} (or {@code role} and {@code content}).
   * A column {@code system}, as some exporters write it, becomes the system message. {@code
   * function_call} holds calls of the {@code tools} as JSON text, {@code observation} a result.
   */
  record ShareGpt(SystemMessage system) implements Converter {
    @Override
    public Set<String> columns() {
      return TurnFields.withInputs("conversations", "system");
    }

    @Override
    public Conversation convert(ObjectNode row) throws RejectedRow {
      ArrayNode array = TurnFields.array(row, "conversations");
      List<Message> messages = new ArrayList<>(array.size() + 1);
      for (int i = 0; i < array.size(); i++) {
        String where = "conversations[" + i + "]";
        messages.add(turn(Fields.object(array.get(i), where), where));
      }
      if (messages.isEmpty()) {
        return TrainableShape.checked(messages);
      }
      String own = Fields.textOrEmpty(row, "system", "");
      SystemMessage opening = own.isEmpty() ? system : SystemMessage.of(own);
      return TrainableShape.checked(opening.before(messages), TurnFields.inputs(row));
    }

    private static Message turn(ObjectNode turn, String where) throws RejectedRow {
      if (!turn.has("from") && turn.has("role")) {
        return TurnFields.openAi(turn, where + ".");
      }
      String from = Fields.text(turn, "from", where + ".");
      String value = Fields.text(turn, "value", where + ".");
      boolean calls = from.equals("function_call") || from.equals("tool_call");
      Extras extras =
          new Extras(
              calls ? TurnFields.shareGptCalls(value, where + ".value") : List.of(),
              "",
              "",
              "",
              calls,
              TurnFields.untrained(turn, where + "."));
      return new Message(role(from, where), calls ? "" : value, extras);
    }

    private static Role role(String from, String where) throws RejectedRow {
      return switch (from) {
        case "human", "user" -> Role.USER;
        case "gpt", "assistant", "chatgpt", "model", "bot", "bing", "bard" -> Role.ASSISTANT;
        case "function_call", "tool_call" -> Role.ASSISTANT;
        case "observation", "tool", "function_response", "tool_response" -> Role.TOOL;
        case "system" -> Role.SYSTEM;
        default ->
            throw new RejectedRow(
                UNKNOWN_ROLE,
                "%s.from is '%s'; known are system, human, user, gpt, assistant, chatgpt, model, bot,"
                        .formatted(where, Fields.shortened(from))
                    + " bing, bard, function_call, observation, tool");
      };
    }
  }

  /**
   * Text to SQL as the reference has it: the schema stands in the system message, on its own line
   * after the label.
   *
   * @param systemMessage where it holds {@code {schema}} or {@code {context}}, that is where the
   *     schema goes; otherwise the schema follows it under the reference's label, because a
   *     question without its schema teaches guessing
   */
  record SqlCreateContext(String systemMessage) implements Converter {
    private static final String LABEL = "\nSCHEMA:\n";

    static final String SYSTEM_MESSAGE =
        "You are an text to SQL query translator. Users will ask you questions in English and you"
            + " will generate a SQL query based on the provided SCHEMA."
            + LABEL
            + "{schema}";

    SqlCreateContext {
      if (!systemMessage.contains("{schema}") && !systemMessage.contains("{context}")) {
        systemMessage = systemMessage + LABEL + "{schema}";
      }
    }

    @Override
    public Set<String> columns() {
      return Set.of("question", "context", "answer");
    }

    @Override
    public Conversation convert(ObjectNode row) throws RejectedRow {
      String question = Fields.text(row, "question", "");
      String context = Fields.text(row, "context", "");
      String answer = Fields.text(row, "answer", "");
      String placeholder = systemMessage.contains("{schema}") ? "{schema}" : "{context}";
      return TrainableShape.checked(
          List.of(
              new Message(Role.SYSTEM, systemMessage.replace(placeholder, context)),
              new Message(Role.USER, question),
              new Message(Role.ASSISTANT, answer)));
    }
  }

  /**
   * The system message for conversations that do not begin with one of their own.
   *
   * @param text null for none (not an Optional: converters travel to executors)
   */
  record SystemMessage(@Nullable String text) implements Serializable {
    static SystemMessage of(Optional<String> text) {
      return new SystemMessage(text.orElse(null));
    }

    static SystemMessage of(String text) {
      return new SystemMessage(text);
    }

    List<Message> before(List<Message> messages) {
      boolean hasItsOwn = !messages.isEmpty() && messages.get(0).role().opens();
      if (text == null || hasItsOwn) {
        return messages;
      }
      List<Message> all = new ArrayList<>(messages.size() + 1);
      all.add(new Message(Role.SYSTEM, text));
      all.addAll(messages);
      return all;
    }
  }
}
