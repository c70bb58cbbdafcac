package org.sparkfinetune.data.conversation;

import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.UNKNOWN_ROLE;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation.Message;

/**
 * {@code conversations} of {@code from} and {@code value}. A column {@code system}, as some
 * exporters write it, becomes the system message.
 */
record ShareGpt(SystemMessage system) implements Converter {
  @Override
  public Conversation convert(ObjectNode row) throws RejectedRow {
    ArrayNode array = Fields.array(row, "conversations", "");
    List<Message> messages = new ArrayList<>(array.size() + 1);
    for (int i = 0; i < array.size(); i++) {
      String where = "conversations[" + i + "]";
      ObjectNode turn = Fields.object(array.get(i), where);
      Role role = role(Fields.text(turn, "from", where + "."), where);
      messages.add(new Message(role, Fields.text(turn, "value", where + ".")));
    }
    if (messages.isEmpty()) {
      return TrainableShape.checked(messages);
    }
    String own = Fields.textOrEmpty(row, "system", "");
    SystemMessage opening = own.isEmpty() ? system : SystemMessage.of(own);
    return TrainableShape.checked(opening.before(messages));
  }

  private static Role role(String from, String where) throws RejectedRow {
    return switch (from) {
      case "human", "user" -> Role.USER;
      case "gpt", "assistant", "chatgpt", "model", "bot", "bing", "bard" -> Role.ASSISTANT;
      case "system" -> Role.SYSTEM;
      default ->
          throw new RejectedRow(
              UNKNOWN_ROLE,
              "%s.from is '%s'; known are system, human, user, gpt, assistant, chatgpt, model, bot,"
                      .formatted(where, Fields.shortened(from))
                  + " bing, bard");
    };
  }
}
