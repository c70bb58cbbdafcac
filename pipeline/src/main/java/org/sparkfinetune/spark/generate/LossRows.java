package org.sparkfinetune.spark.generate;

import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.tokenize.LossExtent;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.TextGenerator;
import org.sparkfinetune.spark.cluster.TaskDevice;

/** Rows with a conversation in one column into the same rows with its loss. */
final class LossRows implements MapPartitionsFunction<Row, Row> {
  private static final long serialVersionUID = 1L;

  private final Broadcast<AnsweringModel> model;
  private final int column;
  private final LossExtent extent;
  private final int threads;
  private final AnsweringProgress.Counts counts;

  LossRows(
      Broadcast<AnsweringModel> model,
      int column,
      LossExtent extent,
      int threads,
      AnsweringProgress.Counts counts) {
    this.model = model;
    this.column = column;
    this.extent = extent;
    this.threads = threads;
    this.counts = counts;
  }

  /** The columns that are added. */
  static StructType schema(StructType rows) {
    return rows.add("loss", DataTypes.DoubleType)
        .add("loss_tokens", DataTypes.LongType)
        .add("loss_error", DataTypes.StringType);
  }

  @Override
  public Iterator<Row> call(Iterator<Row> rows) {
    return rows.hasNext() ? TaskDevice.endingLostExecutors(() -> results(rows)) : rows;
  }

  private Iterator<Row> results(Iterator<Row> rows) {
    TextGenerator generator = model.value().newTaskGenerator(threads, counts.layersLoaded());
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return rows.hasNext();
      }

      @Override
      public Row next() {
        return measured(rows.next(), generator);
      }
    };
  }

  /** A row that cannot be measured says why, and the job goes on. */
  private Row measured(Row row, TextGenerator generator) {
    try {
      TextGenerator.Loss loss = generator.loss(answered(row), extent);
      return loss.tokens() == 0
          ? AnswerRows.with(row, null, 0L, "nothing of it is trained, or it is too long")
          : AnswerRows.with(row, loss.loss() / loss.tokens(), (long) loss.tokens(), null);
    } catch (UserError e) {
      return AnswerRows.with(row, null, 0L, e.getMessage());
    } finally {
      counts.rowsDone().add(1);
    }
  }

  private Conversation answered(Row row) {
    if (row.isNullAt(column)) {
      throw new UserError("the conversation is null");
    }
    Conversation conversation = AnswerRows.conversation(row, column);
    List<Message> messages = conversation.messages();
    if (messages.size() < 2 || messages.get(messages.size() - 1).role() != Role.ASSISTANT) {
      throw new UserError("it does not end with an assistant's answer after a question");
    }
    return conversation;
  }
}
