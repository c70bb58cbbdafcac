package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.util.Locale;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.api.WriteSupport;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.OutputFile;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.RecordConsumer;
import org.sparkfinetune.spark.dataset.RowOrigin;
import org.sparkfinetune.store.AtomicFile;

/** Where each conversation of a bucket is from: {@code provenance/part-*.parquet}. */
final class OriginWriter {
  private final AtomicFile file;
  private final ParquetWriter<RowOrigin> writer;

  private OriginWriter(AtomicFile file, ParquetWriter<RowOrigin> writer) {
    this.file = file;
    this.writer = writer;
  }

  static OriginWriter create(OutputFolder.Parts parts, int bucket) throws IOException {
    AtomicFile file =
        parts.create(String.format(Locale.ROOT, "%s/part-%05d.parquet", RowOrigin.FOLDER, bucket));
    return new OriginWriter(
        file,
        new Builder(OpenParquet.file(file))
            .withCompressionCodec(CompressionCodecName.SNAPPY)
            .withDictionaryEncoding(RowOrigin.ID, false)
            .withDictionaryEncoding(RowOrigin.ROW, false)
            .build());
  }

  void write(RowOrigin origin) throws IOException {
    writer.write(origin);
  }

  void finish() throws IOException {
    writer.close();
    file.commit();
  }

  private static final class Builder extends ParquetWriter.Builder<RowOrigin, Builder> {
    Builder(OutputFile file) {
      super(file);
    }

    @Override
    protected Builder self() {
      return this;
    }

    @Override
    protected WriteSupport<RowOrigin> getWriteSupport(Configuration configuration) {
      return new OriginWriteSupport();
    }
  }

  private static final class OriginWriteSupport extends WriteSupport<RowOrigin> {
    @SuppressWarnings("NullAway.Init")
    private RecordConsumer consumer;

    @Override
    public WriteContext init(Configuration configuration) {
      return new WriteContext(RowOrigin.SCHEMA, Map.of());
    }

    @Override
    public void prepareForWrite(RecordConsumer recordConsumer) {
      consumer = recordConsumer;
    }

    @Override
    public void write(RowOrigin origin) {
      consumer.startMessage();
      text(RowOrigin.ID, origin.id());
      text(RowOrigin.SPLIT, origin.split());
      if (!origin.source().isEmpty()) {
        text(RowOrigin.SOURCE, origin.source());
      }
      text(RowOrigin.FILE, origin.file());
      int row = RowOrigin.SCHEMA.getFieldIndex(RowOrigin.ROW);
      consumer.startField(RowOrigin.ROW, row);
      consumer.addLong(origin.row());
      consumer.endField(RowOrigin.ROW, row);
      consumer.endMessage();
    }

    private void text(String field, String value) {
      int index = RowOrigin.SCHEMA.getFieldIndex(field);
      consumer.startField(field, index);
      consumer.addBinary(Binary.fromString(value));
      consumer.endField(field, index);
    }
  }
}
