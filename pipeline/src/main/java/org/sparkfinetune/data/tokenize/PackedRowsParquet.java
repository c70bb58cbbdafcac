package org.sparkfinetune.data.tokenize;

import java.io.Closeable;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.column.ColumnWriteStore;
import org.apache.parquet.column.ColumnWriter;
import org.apache.parquet.column.ParquetProperties;
import org.apache.parquet.column.ParquetProperties.WriterVersion;
import org.apache.parquet.hadoop.CodecFactory;
import org.apache.parquet.hadoop.ColumnChunkPageWriteStore;
import org.apache.parquet.hadoop.ParquetFileWriter;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.hadoop.util.HadoopOutputFile;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.store.Store;

/**
 * Packed rows as Parquet: the four columns as arrays of int in the layout that Spark gives to
 * arrays. Values go straight into their columns and come straight out of them: Spark's rows and
 * Parquet's example records make an object of every token, and Parquet's consumer of records opens
 * and closes two groups for it.
 */
public final class PackedRowsParquet {
  static final List<String> COLUMNS = List.of("input_ids", "labels", "position_ids", "segment_ids");

  private static final MessageType SCHEMA =
      MessageTypeParser.parseMessageType(
          """
          message spark_schema {
            required group input_ids (LIST) { repeated group list { required int32 element; } }
            required group labels (LIST) { repeated group list { required int32 element; } }
            required group position_ids (LIST) { repeated group list { required int32 element; } }
            required group segment_ids (LIST) { repeated group list { required int32 element; } }
          }
          """);

  private PackedRowsParquet() {}

  /** A new file; its rows appear when it is closed. */
  public static RowWriter writer(Path file, Store store) throws IOException {
    return new RowWriter(file, store);
  }

  static ParquetReader<PackedRow> reader(Path file, Store store) throws IOException {
    return ParquetReader.builder(new PackedRowReadSupport(), file).withConf(store.hadoop()).build();
  }

  /** Of one file. */
  public static final class RowWriter implements Closeable {
    /** Of values in memory. Other files than those of single endless rows are one row group. */
    private static final long ROW_GROUP_BYTES = ParquetWriter.DEFAULT_BLOCK_SIZE;

    /**
     * Values are written as differences from the one before: positions count up, ids are too many
     * for a dictionary to pay.
     */
    private static final ParquetProperties PROPERTIES =
        ParquetProperties.builder()
            .withWriterVersion(WriterVersion.PARQUET_2_0)
            .withDictionaryEncoding(false)
            .build();

    private final ParquetFileWriter file;
    private final CodecFactory codecs;
    private ColumnChunkPageWriteStore pages;
    private ColumnWriteStore columns;
    private long rows = 0;

    private RowWriter(Path path, Store store) throws IOException {
      codecs = new CodecFactory(store.hadoop(), PROPERTIES.getPageSizeThreshold());
      file =
          new ParquetFileWriter(
              HadoopOutputFile.fromPath(path, store.hadoop()),
              SCHEMA,
              ParquetFileWriter.Mode.CREATE,
              ROW_GROUP_BYTES,
              ParquetWriter.MAX_PADDING_SIZE_DEFAULT);
      file.start();
      pages = pages();
      columns = PROPERTIES.newColumnWriteStore(SCHEMA, pages);
    }

    private ColumnChunkPageWriteStore pages() {
      return new ColumnChunkPageWriteStore(
          codecs.getCompressor(CompressionCodecName.SNAPPY),
          SCHEMA,
          PROPERTIES.getAllocator(),
          PROPERTIES.getColumnIndexTruncateLength(),
          PROPERTIES.getPageWriteChecksumEnabled());
    }

    public void write(PackedRow row) throws IOException {
      column(0, row.inputIds());
      column(1, row.labels());
      column(2, row.positionIds());
      column(3, row.segmentIds());
      columns.endRecord();
      rows++;
      if (columns.getBufferedSize() > ROW_GROUP_BYTES) {
        flush();
        pages = pages();
        columns = PROPERTIES.newColumnWriteStore(SCHEMA, pages);
      }
    }

    /** Repetition level 0 begins a row's list, 1 goes on; no list is empty. */
    private void column(int index, int[] values) {
      ColumnWriter column = columns.getColumnWriter(SCHEMA.getColumns().get(index));
      for (int i = 0; i < values.length; i++) {
        column.write(values[i], i == 0 ? 0 : 1, 1);
      }
    }

    private void flush() throws IOException {
      if (rows > 0) {
        file.startBlock(rows);
        columns.flush();
        pages.flushToFileWriter(file);
        file.endBlock();
        rows = 0;
      }
      columns.close();
    }

    @Override
    public void close() throws IOException {
      try {
        flush();
        file.end(Map.of());
      } finally {
        codecs.release();
      }
    }
  }
}
