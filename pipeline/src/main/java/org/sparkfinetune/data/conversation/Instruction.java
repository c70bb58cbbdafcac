package org.sparkfinetune.data.conversation;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation.Message;

/** {@code prompt} and {@code completion}, one turn each. */
record Instruction(SystemMessage system) implements Converter {
  @Override
  public Conversation convert(ObjectNode row) throws RejectedRow {
    String prompt = Fields.text(row, "prompt", "");
    String completion = Fields.text(row, "completion", "");
    return TrainableShape.checked(
        system.before(
            List.of(new Message(Role.USER, prompt), new Message(Role.ASSISTANT, completion))));
  }
}
