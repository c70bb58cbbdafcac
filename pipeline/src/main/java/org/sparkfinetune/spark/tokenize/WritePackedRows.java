package org.sparkfinetune.spark.tokenize;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.data.tokenize.PackedRowBuilder;
import org.sparkfinetune.data.tokenize.PackedRowsParquet;
import org.sparkfinetune.store.Staging;
import org.sparkfinetune.store.Store;

/**
 * Sorted pieces into files of packed rows. Each file is staged, so a failed or repeated task leaves
 * no half of one.
 */
final class WritePackedRows implements MapPartitionsFunction<Row, Row> {
  private static final long serialVersionUID = 1L;

  static final StructType SCHEMA =
      new StructType()
          .add("rows", DataTypes.IntegerType)
          .add("trained_tokens", DataTypes.LongType)
          .add("tokens", DataTypes.LongType)
          .add("longest_row", DataTypes.IntegerType);

  private final Broadcast<Store> store;
  private final String folder;
  private final String split;
  private final int rowLength;
  private final int sequenceLength;
  private final int padId;

  WritePackedRows(Broadcast<Store> store, Path folder, String split, TrainingData data, int padId) {
    this.store = store;
    this.folder = folder.toString();
    this.split = split;
    this.rowLength = data.rowLength();
    this.sequenceLength = data.maxSeqLength();
    this.padId = padId;
  }

  @Override
  public Iterator<Row> call(Iterator<Row> pieces) throws IOException {
    List<Row> written = new ArrayList<>();
    Optional<Row> next = next(pieces);
    while (next.isPresent()) {
      int file = next.get().getInt(0);
      Path path = new Path(folder, String.format(Locale.ROOT, "%s-%05d.parquet", split, file));
      FileRows rows = new FileRows(file, pieces, next);
      try (Staging staged = store.value().stage(path)) {
        try (PackedRowsParquet.RowWriter writer =
            PackedRowsParquet.writer(staged.path(), store.value())) {
          next = rows.writeTo(writer);
        }
        staged.publish();
      }
      written.add(RowFactory.create(rows.rows, rows.trained, rows.tokens, rows.longest));
    }
    return written.iterator();
  }

  private static Optional<Row> next(Iterator<Row> pieces) {
    return pieces.hasNext() ? Optional.of(pieces.next()) : Optional.empty();
  }

  private final class FileRows {
    private final int file;
    private final Iterator<Row> pieces;
    private final PackedRowBuilder builder = new PackedRowBuilder(rowLength, sequenceLength, padId);
    private Optional<Row> next;
    private int rows = 0;
    private long trained = 0;
    private long tokens = 0;
    private int longest = 0;

    FileRows(int file, Iterator<Row> pieces, Optional<Row> first) {
      this.file = file;
      this.pieces = pieces;
      this.next = first;
    }

    /** Returns the first piece of the next file. */
    Optional<Row> writeTo(PackedRowsParquet.RowWriter writer) throws IOException {
      int row = next.orElseThrow().getInt(1);
      while (next.isPresent() && next.get().getInt(0) == file) {
        if (next.get().getInt(1) != row) {
          write(writer);
          row = next.get().getInt(1);
        }
        byte[] ids = next.get().getAs(3);
        builder.add(ids);
        next = next(pieces);
      }
      write(writer);
      return next;
    }

    private void write(PackedRowsParquet.RowWriter writer) throws IOException {
      trained += builder.trainedTokens();
      tokens += builder.tokens();
      longest = Math.max(longest, builder.tokens());
      writer.write(builder.build());
      rows++;
    }
  }
}
