package org.sparkfinetune.spark.prepare;

import java.io.Closeable;
import java.io.IOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.api.WriteSupport;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.OutputFile;
import org.apache.parquet.io.PositionOutputStream;

/** One Parquet file of conversations. */
final class ConversationParquet implements Closeable {
  private final EvenParquetStream stream;
  private final ParquetWriter<ConversationWriteSupport.Named> writer;

  ConversationParquet(FSDataOutputStream out) throws IOException {
    stream = new EvenParquetStream(out);
    writer =
        new Builder(new StreamFile(stream))
            .withSizeStatisticsEnabled(false)
            .withCompressionCodec(CompressionCodecName.SNAPPY)
            // A dictionary of whole texts is built and thrown away: hardly any text comes twice.
            .withDictionaryEncoding(ConversationWriteSupport.CONTENT_COLUMN, false)
            .withDictionaryEncoding("id", false)
            .build();
  }

  void write(String id, Sample sample) throws IOException {
    writer.write(new ConversationWriteSupport.Named(id, sample));
  }

  @Override
  public void close() throws IOException {
    stream.hold();
    writer.close();
  }

  private static final class Builder
      extends ParquetWriter.Builder<ConversationWriteSupport.Named, Builder> {
    Builder(OutputFile file) {
      super(file);
    }

    @Override
    protected Builder self() {
      return this;
    }

    @Override
    protected WriteSupport<ConversationWriteSupport.Named> getWriteSupport(
        Configuration configuration) {
      return new ConversationWriteSupport();
    }
  }

  /** A stream that is open already, so that the store decides how files come to be. */
  private record StreamFile(PositionOutputStream stream) implements OutputFile {
    @Override
    public PositionOutputStream create(long blockSizeHint) {
      return stream;
    }

    @Override
    public PositionOutputStream createOrOverwrite(long blockSizeHint) {
      return create(blockSizeHint);
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
