package org.sparkfinetune.spark.tokenize;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSError;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.SerializableConfiguration;
import org.apache.spark.util.TaskFailureListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.data.tokenize.PackedRowBuilder;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.data.tokenize.PackedRowsParquet;

/**
 * Sorted pieces into files of packed rows. A file is written under a name of the attempt's own and
 * then renamed, so a failed or repeated task leaves no half of one.
 */
final class WritePackedRows implements MapPartitionsFunction<Row, Row> {
  private static final long serialVersionUID = 1L;
  private static final Logger LOG = LoggerFactory.getLogger(WritePackedRows.class);

  /** Begins the name of a file that is not whole. */
  static final String ASIDE = "_";

  static final StructType SCHEMA =
      new StructType().add("rows", DataTypes.IntegerType).add("trained_tokens", DataTypes.LongType);

  private final Broadcast<SerializableConfiguration> hadoop;
  private final String folder;
  private final String split;
  private final int rowLength;
  private final int padId;

  WritePackedRows(
      Broadcast<SerializableConfiguration> hadoop,
      Path folder,
      String split,
      int rowLength,
      int padId) {
    this.hadoop = hadoop;
    this.folder = folder.toString();
    this.split = split;
    this.rowLength = rowLength;
    this.padId = padId;
  }

  @Override
  public Iterator<Row> call(Iterator<Row> pieces) throws IOException {
    List<Row> written = new ArrayList<>();
    Optional<Row> next = next(pieces);
    while (next.isPresent()) {
      int file = next.get().getInt(0);
      Configuration configuration = hadoop.value().value();
      Path path = new Path(folder, String.format(Locale.ROOT, "%s-%05d.parquet", split, file));
      Path aside =
          new Path(
              folder,
              ASIDE
                  + String.format(
                      Locale.ROOT, "%s-%05d-%d", split, file, TaskContext.get().taskAttemptId()));
      FileRows rows = new FileRows(file, pieces, next);
      FileSystem files = aside.getFileSystem(configuration);
      TaskFailureListener discarding = (task, failure) -> discard(files, aside);
      TaskContext.get().addTaskFailureListener(discarding);
      try (ParquetWriter<PackedRow> writer = PackedRowsParquet.writer(aside, configuration)) {
        next = rows.writeTo(writer);
      }
      files.delete(path, false);
      if (!files.rename(aside, path)) {
        throw new IOException("cannot rename '%s' to '%s'".formatted(aside, path));
      }
      written.add(RowFactory.create(rows.rows, rows.trained));
    }
    return written.iterator();
  }

  /** What the task failed of is the news. */
  private static void discard(FileSystem files, Path aside) {
    try {
      files.delete(aside, false);
    } catch (IOException | FSError e) {
      LOG.debug("{} is left behind", aside, e);
    }
  }

  private static Optional<Row> next(Iterator<Row> pieces) {
    return pieces.hasNext() ? Optional.of(pieces.next()) : Optional.empty();
  }

  private final class FileRows {
    private final int file;
    private final Iterator<Row> pieces;
    private final PackedRowBuilder builder = new PackedRowBuilder(rowLength, padId);
    private Optional<Row> next;
    private int rows = 0;
    private long trained = 0;

    FileRows(int file, Iterator<Row> pieces, Optional<Row> first) {
      this.file = file;
      this.pieces = pieces;
      this.next = first;
    }

    /** Returns the first piece of the next file. */
    Optional<Row> writeTo(ParquetWriter<PackedRow> writer) throws IOException {
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

    private void write(ParquetWriter<PackedRow> writer) throws IOException {
      trained += builder.trainedTokens();
      writer.write(builder.build());
      rows++;
    }
  }
}
