package org.sparkfinetune.data.conversation;

import java.util.Optional;
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
}
