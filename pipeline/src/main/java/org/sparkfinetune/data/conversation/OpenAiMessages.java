package org.sparkfinetune.data.conversation;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.RowShape.Converter;
import org.sparkfinetune.data.conversation.RowShape.SystemMessage;

/**
 * {@code messages} (or {@code conversations}) of {@code role} and {@code content}, where content is
 * a text or a list of parts of type {@code text}, joined as they are; with {@code tools}, {@code
 * documents}, {@code tool_calls} and their results, {@code reasoning_content} and {@code weight}.
 */
record OpenAiMessages(SystemMessage system) implements Converter {
  static final String NO_ROBOTS =
      "You are Llama, an AI assistant created by Philipp to be helpful and honest. Your knowledge"
          + " spans a wide range of topics, allowing you to engage in substantive conversations and"
          + " provide analysis on complex subjects.";

  @Override
  public Set<String> columns() {
    return TurnFields.withInputs("messages", "conversations");
  }

  @Override
  public Conversation convert(ObjectNode row) throws RejectedRow {
    boolean other = !row.has("messages") && row.has("conversations");
    String column = other ? "conversations" : "messages";
    ArrayNode array = TurnFields.array(row, column);
    List<Message> messages = new ArrayList<>(array.size() + 1);
    for (int i = 0; i < array.size(); i++) {
      String where = column + "[" + i + "]";
      messages.add(TurnFields.openAi(Fields.object(array.get(i), where), where + "."));
    }
    return TrainableShape.checked(
        messages.isEmpty() ? messages : system.before(messages), TurnFields.inputs(row));
  }
}
