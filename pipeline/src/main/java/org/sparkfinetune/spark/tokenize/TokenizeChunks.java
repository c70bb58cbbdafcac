package org.sparkfinetune.spark.tokenize;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.config.TrainingData.Objective;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.tokenize.ConversationTokenizer;
import org.sparkfinetune.data.tokenize.LabelledIds;
import org.sparkfinetune.data.tokenize.PairTokenizer;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.ConversationCoder;
import org.sparkfinetune.spark.dataset.DatasetLayout;

/**
 * Chunks of conversations into chunks of ids, each sample's with their number of bytes before them.
 */
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
  private final Objective objective;

  TokenizeChunks(Broadcast<TokenizerOnExecutor> tokenizer, Objective objective) {
    this.tokenizer = tokenizer;
    this.objective = objective;
  }

  @Override
  public Row call(Row chunk) {
    String error = chunk.isNullAt(4) ? null : chunk.getString(4);
    List<LabelledIds> samples = List.of();
    byte[] conversations = chunk.getAs(3);
    try {
      samples = tokenize(chunk, ConversationCoder.decode(conversations));
    } catch (UserError e) {
      error = e.getMessage();
    }
    return row(chunk, samples, LeftOut.names(conversations), error);
  }

  private List<LabelledIds> tokenize(Row chunk, List<Conversation> conversations) {
    ConversationTokenizer made = tokenizer.value().get();
    Function<Conversation, LabelledIds> tokenize =
        switch (objective) {
          case SFT -> conversation -> LabelledIds.of(made.tokenize(conversation));
          case DPO -> {
            PairTokenizer pairs = new PairTokenizer(made);
            yield conversation -> LabelledIds.of(pairs.tokenize(conversation));
          }
        };
    List<LabelledIds> samples = new ArrayList<>(conversations.size());
    for (Conversation conversation : conversations) {
      try {
        samples.add(tokenize.apply(conversation));
      } catch (UserError e) {
        String where =
            DatasetLayout.where(
                chunk.getString(0), chunk.getLong(1), chunk.getLong(2) + samples.size());
        throw new UserError(where + ": " + e.getMessage(), e);
      }
    }
    return samples;
  }

  private static Row row(
      Row chunk, List<LabelledIds> samples, byte[] names, @Nullable String error) {
    ByteBuffer lengths = ByteBuffer.allocate(Integer.BYTES * samples.size());
    ByteBuffer firstTrained = ByteBuffer.allocate(Integer.BYTES * samples.size());
    ByteBuffer ids =
        ByteBuffer.allocate(
            samples.stream().mapToInt(sample -> Integer.BYTES + sample.ids().length).sum());
    for (LabelledIds sample : samples) {
      lengths.putInt(sample.length());
      firstTrained.putInt(sample.firstTrained());
      ids.putInt(sample.ids().length).put(sample.ids());
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
