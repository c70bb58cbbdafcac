package org.sparkfinetune.data.conversation;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation.Message;

/**
 * {@code instruction}, {@code input} (may be absent or empty), {@code output}. The input follows
 * the instruction after a blank line. Alpaca's own frame ("Below is an instruction…") is left out:
 * it is what a base model without a chat template needed.
 */
record Alpaca(SystemMessage system) implements Converter {
  @Override
  public Conversation convert(ObjectNode row) throws RejectedRow {
    String instruction = Fields.text(row, "instruction", "");
    String input = Fields.textOrEmpty(row, "input", "");
    String output = Fields.text(row, "output", "");
    String own = Fields.textOrEmpty(row, "system", "");
    SystemMessage opening = own.isEmpty() ? system : SystemMessage.of(own);
    String prompt = input.isBlank() ? instruction : instruction + "\n\n" + input;
    return TrainableShape.checked(
        opening.before(
            List.of(new Message(Role.USER, prompt), new Message(Role.ASSISTANT, output))));
  }
}
