package org.sparkfinetune.spark.tokenize;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.sparkfinetune.data.tokenize.PackingPlan;

/** Chunks of ids into pieces that know their row. */
final class PlacePieces implements FlatMapFunction<Row, Row> {
  private static final long serialVersionUID = 1L;

  static final StructType SCHEMA =
      new StructType()
          .add("file", DataTypes.IntegerType)
          .add("row", DataTypes.IntegerType)
          .add("piece", DataTypes.IntegerType)
          .add("ids", DataTypes.BinaryType);

  private final Broadcast<PlacedChunks> placed;
  private final int rowsPerFile;

  PlacePieces(Broadcast<PlacedChunks> placed, int rowsPerFile) {
    this.placed = placed;
    this.rowsPerFile = rowsPerFile;
  }

  @Override
  public Iterator<Row> call(Row chunk) {
    PackingPlan plan = placed.value().plan();
    int sample =
        placed
            .value()
            .firstSampleOf(new Chunk(chunk.getString(0), chunk.getLong(1), chunk.getLong(2)));
    byte[] lengths = chunk.getAs(3);
    byte[] ids = chunk.getAs(5);
    List<Row> pieces = new ArrayList<>();
    int offset = 0;
    for (int length : PlacedLengths.ints(lengths)) {
      addPieces(plan, sample, Arrays.copyOfRange(ids, offset, offset + 4 * length), pieces);
      offset += 4 * length;
      sample++;
    }
    return pieces.iterator();
  }

  private void addPieces(PackingPlan plan, int sample, byte[] ids, List<Row> pieces) {
    int pieceBytes = Integer.BYTES * plan.report().rowLength();
    for (int k = 0; k < plan.pieces(sample); k++) {
      int piece = plan.firstPiece(sample) + k;
      int row = plan.rowOfPiece(piece);
      int end = Math.min(ids.length, (k + 1) * pieceBytes);
      byte[] part = Arrays.copyOfRange(ids, k * pieceBytes, end);
      pieces.add(RowFactory.create(row / rowsPerFile, row, piece, part));
    }
  }
}
