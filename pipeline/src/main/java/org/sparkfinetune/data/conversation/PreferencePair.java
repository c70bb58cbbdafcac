package org.sparkfinetune.data.conversation;

import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.NO_PREFERENCE;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.RowShape.Converter;
import org.sparkfinetune.data.conversation.RowShape.SystemMessage;

/**
 * Two answers to one prompt, in TRL's forms: {@code prompt}, {@code chosen} and {@code rejected},
 * or the prompt within both of the others. Each is messages, or a text: a prompt that is a text is
 * the user's turn, an answer that is a text the assistant's. Columns {@code chosen} and {@code
 * rejected} that begin before the assistant's turn are whole conversations, whatever {@code prompt}
 * repeats of them. A column {@code system} or {@code question} is taken as exporters mean it.
 */
record PreferencePair(SystemMessage system) implements Converter {
  private static final String PROMPT = "prompt";
  private static final String QUESTION = "question";

  @Override
  public Set<String> columns() {
    return TurnFields.withInputs(PROMPT, QUESTION, "system", "chosen", "rejected");
  }

  @Override
  public Conversation convert(ObjectNode row) throws RejectedRow {
    List<Message> prompt = prompt(row);
    List<Message> chosen = whole(row, "chosen", prompt);
    List<Message> rejected = whole(row, "rejected", prompt);
    if (chosen.equals(rejected)) {
      throw new RejectedRow(NO_PREFERENCE, "chosen and rejected are the same");
    }
    TrainableShape.checked(rejected);
    Conversation preferred = TrainableShape.checked(chosen, TurnFields.inputs(row));
    int same = Conversation.sharedTurns(chosen, rejected);
    if (!isAnswer(chosen, same) || !isAnswer(rejected, same)) {
      throw new RejectedRow(
          NO_PREFERENCE,
          "chosen and rejected part at message %s, which is not the assistant's in both"
              .formatted(same + 1));
    }
    return preferred.rather(rejected);
  }

  private static boolean isAnswer(List<Message> messages, int at) {
    return at < messages.size() && messages.get(at).role() == Role.ASSISTANT;
  }

  /** Empty where there is none. */
  private List<Message> prompt(ObjectNode row) throws RejectedRow {
    String own = Fields.textOrEmpty(row, "system", "");
    SystemMessage opening = own.isEmpty() ? system : SystemMessage.of(own);
    String column = Fields.holdsSomething(row, PROMPT) ? PROMPT : QUESTION;
    return Fields.holdsSomething(row, column)
        ? opening.before(messages(row, column, Role.USER))
        : opening.before(List.of());
  }

  private static List<Message> whole(ObjectNode row, String column, List<Message> prompt)
      throws RejectedRow {
    List<Message> messages = messages(row, column, Role.ASSISTANT);
    boolean isAnswer = isAnswer(messages, 0);
    if (isAnswer && prompt.stream().noneMatch(message -> message.role() == Role.USER)) {
      throw new RejectedRow(
          RejectedRow.RejectionReason.MISSING_COLUMN,
          "prompt is missing, and %s begins with the assistant's answer".formatted(column));
    }
    List<Message> all = new ArrayList<>();
    if (isAnswer) {
      all.addAll(prompt);
    } else if (!prompt.isEmpty() && !messages.isEmpty() && !messages.get(0).role().opens()) {
      prompt.stream().filter(message -> message.role().opens()).forEach(all::add);
    }
    all.addAll(messages);
    return all;
  }

  /** A text is one turn of {@code role}. */
  private static List<Message> messages(ObjectNode row, String column, Role role)
      throws RejectedRow {
    if (Fields.present(row, column, "").isTextual()
        && !row.get(column).textValue().startsWith("[{")) {
      return List.of(new Message(role, Fields.text(row, column, "")));
    }
    ArrayNode array = TurnFields.array(row, column);
    List<Message> messages = new ArrayList<>();
    for (int i = 0; i < array.size(); i++) {
      String where = column + "[" + i + "]";
      messages.add(TurnFields.openAi(Fields.object(array.get(i), where), where + "."));
    }
    return messages;
  }
}
