package org.sparkfinetune.spark.tokenize;

import java.nio.ByteBuffer;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.tokenize.ConversationTokenizer;
import org.sparkfinetune.data.tokenize.ConversationTokenizer.TokenizedSample;
import org.sparkfinetune.data.tokenize.LabelledIds;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.ConversationCoder;
import org.sparkfinetune.spark.dataset.DatasetLayout;

/** Chunks of conversations into chunks of ids. */
final class TokenizeChunks implements MapFunction<Row, Row> {
  private static final long serialVersionUID = 1L;

  static final StructType SCHEMA =
      new StructType()
          .add("file", DataTypes.StringType)
          .add("block", DataTypes.LongType)
          .add("first", DataTypes.LongType)
          .add("lengths", DataTypes.BinaryType)
          .add("first_trained", DataTypes.BinaryType)
          .add("ids", DataTypes.BinaryType)
          .add("names", DataTypes.BinaryType)
          .add("error", DataTypes.StringType);

  private final Broadcast<TokenizerOnExecutor> tokenizer;

  TokenizeChunks(Broadcast<TokenizerOnExecutor> tokenizer) {
    this.tokenizer = tokenizer;
  }

  @Override
  public Row call(Row chunk) {
    String error = chunk.isNullAt(4) ? null : chunk.getString(4);
    List<TokenizedSample> samples = List.of();
    byte[] conversations = chunk.getAs(3);
    try {
      samples = tokenize(chunk, ConversationCoder.decode(conversations));
    } catch (UserError e) {
      error = e.getMessage();
    }
    return row(chunk, samples, LeftOut.names(conversations), error);
  }

  private List<TokenizedSample> tokenize(Row chunk, List<Conversation> conversations) {
    ConversationTokenizer made = tokenizer.value().get();
    try {
      return made.tokenize(conversations);
    } catch (UserError ofSomeConversation) {
      for (int i = 0; i < conversations.size(); i++) {
        tokenizeOne(made, chunk, conversations.get(i), i);
      }
      throw ofSomeConversation;
    }
  }

  private static void tokenizeOne(
      ConversationTokenizer tokenizer, Row chunk, Conversation conversation, int index) {
    try {
      TokenizedSample unused = tokenizer.tokenize(conversation);
    } catch (UserError e) {
      String where =
          DatasetLayout.where(chunk.getString(0), chunk.getLong(1), chunk.getLong(2) + index);
      throw new UserError(where + ": " + e.getMessage(), e);
    }
  }

  private static Row row(
      Row chunk, List<TokenizedSample> samples, byte[] names, @Nullable String error) {
    ByteBuffer lengths = ByteBuffer.allocate(Integer.BYTES * samples.size());
    ByteBuffer firstTrained = ByteBuffer.allocate(Integer.BYTES * samples.size());
    int tokens = samples.stream().mapToInt(TokenizedSample::length).sum();
    ByteBuffer ids = ByteBuffer.allocate(Integer.BYTES * tokens);
    for (Iterator<TokenizedSample> i = samples.iterator(); i.hasNext(); ) {
      TokenizedSample sample = i.next();
      lengths.putInt(sample.length());
      firstTrained.putInt(sample.firstTrained());
      ids.put(LabelledIds.encode(sample));
    }
    return RowFactory.create(
        chunk.getString(0),
        chunk.getLong(1),
        chunk.getLong(2),
        lengths.array(),
        firstTrained.array(),
        ids.array(),
        names,
        error);
  }
}
