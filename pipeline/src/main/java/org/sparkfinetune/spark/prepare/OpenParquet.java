package org.sparkfinetune.spark.prepare;

import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.DelegatingPositionOutputStream;
import org.apache.parquet.io.OutputFile;
import org.apache.parquet.io.PositionOutputStream;
import org.apache.parquet.schema.MessageType;
import org.sparkfinetune.store.AtomicFile;

/** Parquet into a file that is open already: how files come to be is decided elsewhere. */
final class OpenParquet {
  private OpenParquet() {}

  static OutputFile file(AtomicFile out) {
    return new OpenFile(new OpenStream(out));
  }

  /** Of records as Parquet's example has them, which make an object of every value. */
  static ExampleParquetWriter.Builder writer(AtomicFile out, MessageType schema) {
    return ExampleParquetWriter.builder(file(out))
        .withType(schema)
        .withCompressionCodec(CompressionCodecName.SNAPPY);
  }

  /** A stream that stays open when Parquet closes it: whoever opened the file commits it. */
  private static final class OpenStream extends DelegatingPositionOutputStream {
    private final AtomicFile file;

    OpenStream(AtomicFile file) {
      super(file);
      this.file = file;
    }

    @Override
    public long getPos() {
      return file.position();
    }

    @Override
    public void close() {}
  }

  private record OpenFile(PositionOutputStream stream) implements OutputFile {
    @Override
    public PositionOutputStream create(long blockSizeHint) {
      return stream;
    }

    @Override
    public PositionOutputStream createOrOverwrite(long blockSizeHint) {
      return stream;
    }

    @Override
    public boolean supportsBlockSize() {
      return false;
    }

    @Override
    public long defaultBlockSize() {
      return 0;
    }
  }
}
