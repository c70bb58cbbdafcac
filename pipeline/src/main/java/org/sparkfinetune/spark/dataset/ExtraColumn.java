package org.sparkfinetune.spark.dataset;

import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Extras;
import org.sparkfinetune.data.conversation.Conversation.Message;

/**
 * The columns that a prepared data set has only where its conversations need them: {@code tools},
 * {@code documents}, {@code rejected} and {@code source} beside {@code messages}, the others as
 * fields of a message. Other data sets keep their schema.
 */
public enum ExtraColumn {
  TOOLS("string"),
  DOCUMENTS("string"),
  /** Of a preference the conversation with the other answer. */
  REJECTED("string"),
  /** Which source of a mixture a conversation is from. */
  SOURCE("string"),
  TOOL_CALLS("array<struct<id:string,type:string,function:struct<name:string,arguments:string>>>"),
  TOOL_CALL_ID("string"),
  NAME("string"),
  REASONING_CONTENT("string"),
  WEIGHT("int"),
  /** No column of its own: a content may be null. */
  NULL_CONTENT("");

  private final String sparkType;

  ExtraColumn(String sparkType) {
    this.sparkType = sparkType;
  }

  /** The column's name. */
  public String text() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Its type as Spark's SQL writes it. */
  public String sparkType() {
    return sparkType;
  }

  /** What these conversations need. */
  public static Set<ExtraColumn> of(Conversation conversation) {
    EnumSet<ExtraColumn> needed = EnumSet.noneOf(ExtraColumn.class);
    add(needed, TOOLS, !conversation.inputs().tools().isEmpty());
    add(needed, DOCUMENTS, !conversation.inputs().documents().isEmpty());
    add(needed, REJECTED, !conversation.rejected().isEmpty());
    for (Message message : conversation.messages()) {
      Extras extras = message.extras();
      if (!extras.isNone()) {
        add(needed, TOOL_CALLS, !extras.toolCalls().isEmpty());
        add(needed, TOOL_CALL_ID, !extras.toolCallId().isEmpty());
        add(needed, NAME, !extras.name().isEmpty());
        add(needed, REASONING_CONTENT, !extras.reasoningContent().isEmpty());
        add(needed, WEIGHT, extras.untrained());
        add(needed, NULL_CONTENT, extras.contentIsNull());
      }
    }
    return needed;
  }

  private static void add(Set<ExtraColumn> columns, ExtraColumn column, boolean there) {
    if (there) {
      columns.add(column);
    }
  }

  /** Whether it is a text beside the messages. */
  public boolean isInput() {
    return this == TOOLS || this == DOCUMENTS || this == REJECTED;
  }

  /** Whether a message's struct has it as a field. */
  public boolean isField() {
    return !isInput() && this != SOURCE && this != NULL_CONTENT;
  }
}
