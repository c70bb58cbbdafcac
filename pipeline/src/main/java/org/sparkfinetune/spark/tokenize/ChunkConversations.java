package org.sparkfinetune.spark.tokenize;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.ConversationCoder;
import org.sparkfinetune.spark.dataset.DatasetLayout;
import org.sparkfinetune.spark.dataset.DatasetSplit;

/**
 * Rows of (conversation, file, block) into chunks of conversations. A row that is no conversation
 * ends its task's work with a chunk that says so, so that the driver can name the first one of the
 * data set.
 */
public final class ChunkConversations implements MapPartitionsFunction<Row, Row> {
  private static final long serialVersionUID = 1L;

  public static final StructType SCHEMA =
      new StructType()
          .add("file", DataTypes.StringType)
          .add("block", DataTypes.LongType)
          .add("first", DataTypes.LongType)
          .add("conversations", DataTypes.BinaryType)
          .add("error", DataTypes.StringType);

  private static final int CONVERSATIONS = 256;
  private static final long CHARACTERS = 1 << 20;

  private final DatasetLayout layout;

  public ChunkConversations(DatasetLayout layout) {
    this.layout = layout;
  }

  /**
   * The first conversations of a split, in no promised order.
   *
   * @throws UserError if one of them is broken
   */
  public static List<Conversation> first(SparkSession spark, DatasetSplit split, int most) {
    List<Conversation> conversations = new ArrayList<>();
    List<Row> chunks =
        split
            .read(spark)
            .limit(most)
            .mapPartitions(new ChunkConversations(split.layout()), Encoders.row(SCHEMA))
            .collectAsList();
    for (Row chunk : chunks) {
      if (!chunk.isNullAt(4)) {
        throw new UserError(chunk.getString(4));
      }
      byte[] bytes = chunk.getAs(3);
      conversations.addAll(ConversationCoder.decode(bytes));
    }
    return conversations;
  }

  @Override
  public Iterator<Row> call(Iterator<Row> rows) {
    return new Chunks(rows);
  }

  private final class Chunks implements Iterator<Row> {
    private final Iterator<Row> rows;
    private final Map<String, Long> counted = new HashMap<>();
    private @Nullable Row next;
    private boolean broken = false;

    Chunks(Iterator<Row> rows) {
      this.rows = rows;
      this.next = rows.hasNext() ? rows.next() : null;
    }

    @Override
    public boolean hasNext() {
      return next != null && !broken;
    }

    @Override
    public Row next() {
      Row row = next;
      if (row == null || broken) {
        throw new NoSuchElementException();
      }
      String file = row.getString(1);
      long block = row.getLong(2);
      String part = file + "@" + block;
      long first = counted.getOrDefault(part, 0L);
      List<Conversation> conversations = new ArrayList<>();
      String error = null;
      try {
        collect(file, block, first, conversations);
      } catch (UserError e) {
        error = e.getMessage();
        broken = true;
      }
      counted.put(part, first + conversations.size());
      return RowFactory.create(file, block, first, ConversationCoder.encode(conversations), error);
    }

    private void collect(String file, long block, long first, List<Conversation> conversations) {
      long characters = 0;
      for (Row row = next;
          row != null
              && row.getString(1).equals(file)
              && row.getLong(2) == block
              && conversations.size() < CONVERSATIONS
              && characters < CHARACTERS;
          row = next) {
        Conversation conversation = layout.read(row, first + conversations.size());
        conversations.add(conversation);
        characters += conversation.messages().stream().mapToLong(m -> m.content().length()).sum();
        next = rows.hasNext() ? rows.next() : null;
      }
    }
  }

  /**
   * Where some successive samples of a data set come from. Chunks in this order are the data set in
   * its own order, however Spark spread the files over tasks.
   *
   * @param block where in the file the part begins that was read
   * @param first number of the first sample within that part
   */
  record Chunk(String file, long block, long first)
      implements Comparable<Chunk>, java.io.Serializable {
    private static final long serialVersionUID = 1L;

    private static final Comparator<Chunk> ORDER =
        Comparator.comparing(Chunk::file)
            .thenComparingLong(Chunk::block)
            .thenComparingLong(Chunk::first);

    @Override
    public int compareTo(Chunk other) {
      return ORDER.compare(this, other);
    }
  }
}
