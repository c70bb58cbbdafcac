package org.sparkfinetune.data.tokenize;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.column.ParquetProperties.WriterVersion;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.api.WriteSupport;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.hadoop.util.HadoopOutputFile;
import org.apache.parquet.io.api.RecordConsumer;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.store.Store;

/**
 * Packed rows as Parquet: the four columns as arrays of int in the layout that Spark gives to
 * arrays. Hand-written writing and reading of the columns, since Spark's rows and Parquet's example
 * records make an object of every token.
 */
public final class PackedRowsParquet {
  static final List<String> COLUMNS = List.of("input_ids", "labels", "position_ids", "segment_ids");

  private PackedRowsParquet() {}

  /**
   * A new file; its rows appear when it is closed. Values are written as differences from the one
   * before: positions count up, ids are too many for a dictionary to pay.
   */
  public static ParquetWriter<PackedRow> writer(Path file, Store store) throws IOException {
    return new Builder(HadoopOutputFile.fromPath(file, store.hadoop()))
        .withConf(store.hadoop())
        .withCompressionCodec(CompressionCodecName.SNAPPY)
        .withWriterVersion(WriterVersion.PARQUET_2_0)
        .withDictionaryEncoding(false)
        .build();
  }

  static ParquetReader<PackedRow> reader(Path file, Store store) throws IOException {
    return ParquetReader.builder(new PackedRowReadSupport(), file).withConf(store.hadoop()).build();
  }

  private static final class Builder extends ParquetWriter.Builder<PackedRow, Builder> {
    Builder(HadoopOutputFile file) {
      super(file);
    }

    @Override
    protected Builder self() {
      return this;
    }

    @Override
    protected WriteSupport<PackedRow> getWriteSupport(Configuration configuration) {
      return new RowWriteSupport();
    }
  }

  private static final class RowWriteSupport extends WriteSupport<PackedRow> {
    private final MessageType schema =
        MessageTypeParser.parseMessageType(
            """
            message spark_schema {
              required group input_ids (LIST) { repeated group list { required int32 element; } }
              required group labels (LIST) { repeated group list { required int32 element; } }
              required group position_ids (LIST) { repeated group list { required int32 element; } }
              required group segment_ids (LIST) { repeated group list { required int32 element; } }
            }
            """);

    @SuppressWarnings("NullAway.Init")
    private RecordConsumer consumer;

    @Override
    public WriteContext init(Configuration configuration) {
      return new WriteContext(schema, Map.of());
    }

    @Override
    public void prepareForWrite(RecordConsumer recordConsumer) {
      consumer = recordConsumer;
    }

    @Override
    public void write(PackedRow row) {
      consumer.startMessage();
      column(0, row.inputIds());
      column(1, row.labels());
      column(2, row.positionIds());
      column(3, row.segmentIds());
      consumer.endMessage();
    }

    private void column(int index, int[] values) {
      consumer.startField(COLUMNS.get(index), index);
      consumer.startGroup();
      consumer.startField("list", 0);
      for (int value : values) {
        consumer.startGroup();
        consumer.startField("element", 0);
        consumer.addInteger(value);
        consumer.endField("element", 0);
        consumer.endGroup();
      }
      consumer.endField("list", 0);
      consumer.endGroup();
      consumer.endField(COLUMNS.get(index), index);
    }
  }
}
