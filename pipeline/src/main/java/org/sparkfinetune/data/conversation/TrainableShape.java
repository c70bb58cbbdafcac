package org.sparkfinetune.data.conversation;

import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.EMPTY_ASSISTANT_TURN;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.NO_MESSAGES;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.ODD_TURNS;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.ROLES_OUT_OF_ORDER;

import java.util.List;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;

/**
 * The one order of roles that is trained on: at most one system message, first; then user and
 * assistant in turns, each assistant turn with something to learn. An even number of turns is the
 * reference's condition too.
 */
final class TrainableShape {
  private TrainableShape() {}

  static Conversation checked(List<Message> messages) throws RejectedRow {
    int first = !messages.isEmpty() && messages.get(0).role() == Role.SYSTEM ? 1 : 0;
    int turns = messages.size() - first;
    if (turns == 0) {
      throw new RejectedRow(
          NO_MESSAGES, first == 0 ? "no messages at all" : "a system message and no turns");
    }
    for (int turn = 0; turn < turns; turn++) {
      checkTurn(messages.get(first + turn), turn, first + turn);
    }
    if (turns % 2 != 0) {
      throw new RejectedRow(
          ODD_TURNS,
          "%s turns after the system message; each user turn needs its answer".formatted(turns));
    }
    return new Conversation(messages);
  }

  private static void checkTurn(Message message, int turn, int index) throws RejectedRow {
    Role expected = turn % 2 == 0 ? Role.USER : Role.ASSISTANT;
    if (message.role() != expected) {
      throw new RejectedRow(
          ROLES_OUT_OF_ORDER,
          "message %s is the %s's where the %s's is due"
              .formatted(index + 1, message.role().text(), expected.text()));
    }
    if (message.role() == Role.ASSISTANT && message.content().isBlank()) {
      throw new RejectedRow(
          EMPTY_ASSISTANT_TURN, "message %s has nothing to learn".formatted(index + 1));
    }
  }
}
