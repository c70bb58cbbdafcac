package org.sparkfinetune.data.conversation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.RowShape.Converter;
import org.sparkfinetune.data.conversation.RowShape.SystemMessage;

/**
 * Columns put into messages by the user's template. Texts, whole numbers and booleans are written
 * as they stand; a fraction is not, because its digits in the file are not known any more.
 */
record Templated(SystemMessage system, MessageTemplate template) implements Converter {
  @Override
  public Set<String> columns() {
    return template.columns();
  }

  @Override
  public Conversation convert(ObjectNode row) throws RejectedRow {
    List<Message> messages = new ArrayList<>(3);
    for (Role role : template.roles()) {
      StringBuilder text = new StringBuilder();
      for (MessageTemplate.Piece piece : template.pieces(role)) {
        text.append(
            switch (piece.kind()) {
              case LITERAL -> piece.text();
              case COLUMN -> column(row, piece.text());
            });
      }
      messages.add(new Message(role, text.toString()));
    }
    return TrainableShape.checked(system.before(messages));
  }

  private static String column(ObjectNode row, String name) throws RejectedRow {
    JsonNode value = Fields.present(row, name, "");
    if (value.isIntegralNumber() || value.isBoolean()) {
      return value.asText();
    }
    return Fields.text(value, name);
  }
}
