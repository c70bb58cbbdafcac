package org.sparkfinetune.data.conversation;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Serializable;

/** A pure function from a row of a known shape to a conversation that can be trained on. */
public interface Converter extends Serializable {
  /**
   * The row as a conversation.
   *
   * @throws RejectedRow if the row lacks something, or holds something that could only be taken by
   *     guessing
   */
  Conversation convert(ObjectNode row) throws RejectedRow;
}
