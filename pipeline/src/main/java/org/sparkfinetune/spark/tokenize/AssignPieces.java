package org.sparkfinetune.spark.tokenize;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.sparkfinetune.config.TrainingData.Objective;
import org.sparkfinetune.data.tokenize.Packer.PackingPlan;
import org.sparkfinetune.data.tokenize.Packer.SampleLengths;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.spark.tokenize.ChunkConversations.Chunk;

/** Chunks of ids into pieces that know their row. */
final class AssignPieces implements FlatMapFunction<Row, Row> {
  private static final long serialVersionUID = 1L;

  static final StructType SCHEMA =
      new StructType()
          .add("file", DataTypes.IntegerType)
          .add("row", DataTypes.IntegerType)
          .add("piece", DataTypes.IntegerType)
          .add("ids", DataTypes.BinaryType);

  private final Broadcast<RowAssignment> placed;
  private final int rowsPerFile;
  private final Objective objective;

  AssignPieces(Broadcast<RowAssignment> placed, int rowsPerFile, Objective objective) {
    this.placed = placed;
    this.rowsPerFile = rowsPerFile;
    this.objective = objective;
  }

  @Override
  public Iterator<Row> call(Row chunk) {
    PackingPlan plan = placed.value().plan();
    int sample =
        placed
            .value()
            .firstSampleOf(new Chunk(chunk.getString(0), chunk.getLong(1), chunk.getLong(2)));
    ByteBuffer all = ByteBuffer.wrap(chunk.<byte[]>getAs(5));
    List<Row> pieces = new ArrayList<>();
    while (all.hasRemaining()) {
      byte[] ids = new byte[all.getInt()];
      all.get(ids);
      addPieces(plan, sample, ids, pieces);
      sample++;
    }
    return pieces.iterator();
  }

  private void addPieces(PackingPlan plan, int sample, byte[] ids, List<Row> pieces) {
    // A pair is one piece, whose sequences are cut where they are put into the row.
    int pieceBytes =
        objective == Objective.DPO ? Integer.MAX_VALUE : Integer.BYTES * plan.report().rowLength();
    for (int k = 0; k < plan.pieces(sample); k++) {
      int piece = plan.firstPiece(sample) + k;
      int row = plan.rowOfPiece(piece);
      int end = Math.min(ids.length, (k + 1) * pieceBytes);
      byte[] part = Arrays.copyOfRange(ids, k * pieceBytes, end);
      pieces.add(RowFactory.create(row / rowsPerFile, row, piece, part));
    }
  }

  /**
   * The plan of the rows on its way to the executors.
   *
   * @param firstSample of each chunk the number of its first sample in the data set
   */
  record RowAssignment(Map<Chunk, Integer> firstSample, PackingPlan plan) implements Serializable {
    private static final long serialVersionUID = 1L;

    int firstSampleOf(Chunk chunk) {
      Integer first = firstSample.get(chunk);
      if (first == null) {
        throw new RunFailure(
            "The data set changed while it was tokenised: it was read again after an executor was lost, and %s was not there before. Start the command again."
                .formatted(chunk));
      }
      return first;
    }
  }

  /** What the driver learns of a chunk: where it belongs, its samples' lengths, what went wrong. */
  record ChunkLengths(Chunk chunk, SampleLengths lengths, Optional<String> error) {
    static final Comparator<ChunkLengths> ORDER = Comparator.comparing(ChunkLengths::chunk);

    /**
     * @param row (file, block, first, lengths, first_trained, error)
     */
    static ChunkLengths of(Row row) {
      Chunk chunk = new Chunk(row.getString(0), row.getLong(1), row.getLong(2));
      byte[] lengths = row.getAs(3);
      byte[] firstTrained = row.getAs(4);
      Optional<String> error = row.isNullAt(5) ? Optional.empty() : Optional.of(row.getString(5));
      return new ChunkLengths(chunk, new SampleLengths(ints(lengths), ints(firstTrained)), error);
    }

    /** Big-endian ints of a binary column. */
    static int[] ints(byte[] bytes) {
      int[] values = new int[bytes.length / Integer.BYTES];
      ByteBuffer.wrap(bytes).asIntBuffer().get(values);
      return values;
    }

    static SampleLengths concatenated(List<ChunkLengths> chunks) {
      int samples = chunks.stream().mapToInt(chunk -> chunk.lengths().samples()).sum();
      int[] lengths = new int[samples];
      int[] firstTrained = new int[samples];
      int at = 0;
      for (ChunkLengths chunk : chunks) {
        int count = chunk.lengths().samples();
        System.arraycopy(chunk.lengths().lengths(), 0, lengths, at, count);
        System.arraycopy(chunk.lengths().firstTrained(), 0, firstTrained, at, count);
        at += count;
      }
      return new SampleLengths(lengths, firstTrained);
    }

    static Map<Chunk, Integer> firstSamples(List<ChunkLengths> chunks) {
      Map<Chunk, Integer> first = new HashMap<>();
      int samples = 0;
      for (ChunkLengths chunk : chunks) {
        first.put(chunk.chunk(), samples);
        samples += chunk.lengths().samples();
      }
      return first;
    }
  }
}
