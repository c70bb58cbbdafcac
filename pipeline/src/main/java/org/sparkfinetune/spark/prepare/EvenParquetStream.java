package org.sparkfinetune.spark.prepare;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Comparator;
import java.util.List;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.parquet.format.ColumnChunk;
import org.apache.parquet.format.Encoding;
import org.apache.parquet.format.FileMetaData;
import org.apache.parquet.format.RowGroup;
import org.apache.parquet.format.Util;
import org.apache.parquet.io.PositionOutputStream;

/**
 * Makes equal rows equal files, in every JVM and with the Parquet of every Spark. Parquet's writer
 * lists the encodings of a column in the order of a hash set of enums, which differs from one JVM
 * to the next, and names its own version. Here the end of the file is held back, its lists are
 * sorted, and its author is named without a version of Parquet.
 */
final class EvenParquetStream extends PositionOutputStream {
  /** {@code PAR1}, and the length of the footer (4 bytes) before it. */
  private static final int MAGIC = 4;

  private static final int TRAILER = Integer.BYTES + MAGIC;

  private static final String AUTHOR = "spark-finetune version 1 (build parquet-java)";

  private final FSDataOutputStream out;
  private final ByteArrayOutputStream tail = new ByteArrayOutputStream();
  private boolean holding;
  private boolean closed;

  EvenParquetStream(FSDataOutputStream out) {
    this.out = out;
  }

  /** To be called before the writer is closed: what comes then ends with the footer. */
  void hold() {
    holding = true;
  }

  @Override
  public long getPos() {
    return out.getPos() + tail.size();
  }

  @Override
  public void write(int b) throws IOException {
    if (holding) {
      tail.write(b);
    } else {
      out.write(b);
    }
  }

  @Override
  public void write(byte[] bytes, int start, int length) throws IOException {
    if (holding) {
      tail.write(bytes, start, length);
    } else {
      out.write(bytes, start, length);
    }
  }

  @Override
  public void flush() throws IOException {
    out.flush();
  }

  @Override
  public void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    try (out) {
      if (tail.size() > 0) {
        out.write(even(tail.toByteArray()));
      }
    }
  }

  private static byte[] even(byte[] end) throws IOException {
    int behind = end.length - TRAILER;
    int length = ByteBuffer.wrap(end).order(ByteOrder.LITTLE_ENDIAN).getInt(behind);
    int start = behind - length;
    FileMetaData footer = Util.readFileMetaData(new ByteArrayInputStream(end, start, length));
    footer.setCreated_by(AUTHOR);
    for (RowGroup group : footer.getRow_groups()) {
      for (ColumnChunk column : group.getColumns()) {
        List<Encoding> encodings = column.getMeta_data().getEncodings();
        encodings.sort(Comparator.comparingInt(Encoding::getValue));
      }
    }
    ByteArrayOutputStream whole = new ByteArrayOutputStream(end.length);
    whole.write(end, 0, start);
    Util.writeFileMetaData(footer, whole);
    byte[] size = new byte[Integer.BYTES];
    ByteBuffer.wrap(size).order(ByteOrder.LITTLE_ENDIAN).putInt(whole.size() - start);
    whole.write(size);
    whole.write(end, end.length - MAGIC, MAGIC);
    return whole.toByteArray();
  }
}
