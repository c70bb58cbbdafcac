package org.sparkfinetune.data.conversation;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation.Message;

/**
 * Text to SQL as the reference has it: the schema stands in the system message, on its own line
 * after the label.
 *
 * @param systemMessage where it holds {@code {schema}} or {@code {context}}, that is where the
 *     schema goes; otherwise the schema follows it under the reference's label, because a question
 *     without its schema teaches guessing
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
