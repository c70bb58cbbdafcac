package org.sparkfinetune.data.conversation;

import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.EMPTY_ASSISTANT_TURN;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.NOTHING_TO_TRAIN;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.NO_MESSAGES;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.ODD_TURNS;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.ROLES_OUT_OF_ORDER;

import java.util.List;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.Conversation.TemplateInputs;

/**
 * The one order of roles that is trained on: at most one system message, first; then user and
 * assistant in turns, each assistant turn with something to learn, and the assistant last. An
 * assistant that calls tools is followed by their results, and these by the assistant again.
 */
final class TrainableShape {
  private TrainableShape() {}

  static Conversation checked(List<Message> messages) throws RejectedRow {
    return checked(messages, TemplateInputs.NONE);
  }

  static Conversation checked(List<Message> messages, TemplateInputs inputs) throws RejectedRow {
    int first = !messages.isEmpty() && messages.get(0).role().opens() ? 1 : 0;
    int turns = messages.size() - first;
    if (turns == 0) {
      throw new RejectedRow(
          NO_MESSAGES, first == 0 ? "no messages at all" : "a system message and no turns");
    }
    boolean learns = false;
    for (int i = first; i < messages.size(); i++) {
      checkTurn(messages, first, i);
      Message message = messages.get(i);
      learns |= message.role() == Role.ASSISTANT && !message.extras().untrained();
    }
    if (messages.get(messages.size() - 1).role() != Role.ASSISTANT) {
      throw new RejectedRow(
          ODD_TURNS,
          "%s turns after the system message; each user turn needs its answer".formatted(turns));
    }
    if (!learns) {
      throw new RejectedRow(
          NOTHING_TO_TRAIN, "no assistant turn is left to learn: each has weight 0");
    }
    return new Conversation(messages, inputs);
  }

  private static void checkTurn(List<Message> messages, int first, int i) throws RejectedRow {
    Message message = messages.get(i);
    boolean called = i > first && !messages.get(i - 1).extras().toolCalls().isEmpty();
    boolean result = i > first && messages.get(i - 1).role() == Role.TOOL;
    boolean asked = i > first && messages.get(i - 1).role() == Role.USER;
    Role due = called ? Role.TOOL : result || asked ? Role.ASSISTANT : Role.USER;
    boolean fits = message.role() == due || (result && message.role() == Role.TOOL);
    if (!fits) {
      throw new RejectedRow(
          ROLES_OUT_OF_ORDER,
          "message %s is the %s's where the %s's is due"
              .formatted(i + 1, message.role().text(), due.text()));
    }
    if (message.role() == Role.ASSISTANT
        && message.content().isBlank()
        && message.extras().toolCalls().isEmpty()) {
      throw new RejectedRow(
          EMPTY_ASSISTANT_TURN, "message %s has nothing to learn".formatted(i + 1));
    }
  }
}
