package org.sparkfinetune.inference.evaluate;

import java.util.List;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;

/**
 * A question with two answers: the one that is expected and the one that a model wrote.
 *
 * @param conversation the question with its expected answer as last message
 * @param expected that answer's text
 * @param answer what the model wrote, stripped
 */
public record AnsweredSample(Conversation conversation, String expected, String answer) {

  /** An answer to the question that a conversation's last message answers. */
  public static AnsweredSample of(Conversation conversation, String answer) {
    return new AnsweredSample(conversation, expected(conversation).content(), answer.strip());
  }

  /** The last message before the expected answer. */
  public String prompt() {
    List<Message> messages = conversation.messages();
    return messages.size() > 1 ? messages.get(messages.size() - 2).content() : "";
  }

  /** The last message. */
  public static Message expected(Conversation conversation) {
    List<Message> messages = conversation.messages();
    return messages.get(messages.size() - 1);
  }

  /** The expected answer for reports: its text, or the tools that it calls, as JSON. */
  public static String expectedText(Conversation conversation) {
    Message message = expected(conversation);
    return message.extras().toolCalls().isEmpty()
        ? message.content()
        : JsonMatch.text(message.extras().toolCalls());
  }
}
