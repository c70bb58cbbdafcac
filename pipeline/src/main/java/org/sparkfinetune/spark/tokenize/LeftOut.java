package org.sparkfinetune.spark.tokenize;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.data.tokenize.Packer.PackingPlan;
import org.sparkfinetune.spark.dataset.ConversationCoder;
import org.sparkfinetune.spark.tokenize.AssignPieces.ChunkLengths;
import org.sparkfinetune.spark.tokenize.AssignPieces.RowAssignment;
import org.sparkfinetune.spark.tokenize.ChunkConversations.Chunk;
import org.sparkfinetune.store.Store;

/**
 * Chunks of ids into the names of the conversations that went into no row, since they are too long
 * or nothing of them would be trained. A line each in {@code left-out-SPLIT.txt} beside the rows.
 */
public final class LeftOut implements FlatMapFunction<Row, String> {
  private static final long serialVersionUID = 1L;
  private static final String PREFIX = "left-out-";

  private final Broadcast<RowAssignment> placed;

  LeftOut(Broadcast<RowAssignment> placed) {
    this.placed = placed;
  }

  /** The names of a chunk's conversations, one behind the other. */
  static byte[] names(byte[] conversations) {
    List<EncodedConversation> all = ConversationCoder.encoded(conversations);
    ByteBuffer names = ByteBuffer.allocate(EncodedConversation.NAME_BYTES * all.size());
    all.forEach(one -> names.put(one.digest(), 0, EncodedConversation.NAME_BYTES));
    return names.array();
  }

  @Override
  public Iterator<String> call(Row chunk) {
    RowAssignment rows = placed.value();
    PackingPlan plan = rows.plan();
    int first =
        rows.firstSampleOf(new Chunk(chunk.getString(0), chunk.getLong(1), chunk.getLong(2)));
    int samples = ChunkLengths.ints(chunk.getAs(3)).length;
    byte[] names = chunk.getAs(6);
    List<String> leftOut = new ArrayList<>();
    for (int i = 0; i < samples; i++) {
      if (plan.pieces(first + i) == 0) {
        leftOut.add(EncodedConversation.name(names, i * EncodedConversation.NAME_BYTES));
      }
    }
    return leftOut.iterator();
  }

  static Path file(Path folder, String files) {
    return new Path(folder, PREFIX + files + ".txt");
  }

  /**
   * The names of those that a split's packed rows lack.
   *
   * @param folder of packed rows
   * @param split {@code train} or {@code test}
   */
  public static Set<String> read(Path folder, String split, Store store) {
    Set<String> names = new TreeSet<>();
    store.list(folder).stream()
        .filter(path -> path.getName().startsWith(PREFIX + split))
        .flatMap(path -> store.read(path).stream())
        .flatMap(bytes -> new String(bytes, UTF_8).lines())
        .forEach(names::add);
    return names;
  }
}
