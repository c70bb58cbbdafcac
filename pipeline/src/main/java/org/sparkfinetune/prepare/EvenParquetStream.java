package org.sparkfinetune.prepare;

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
import org.sparkfinetune.errors.Bug;

/**
 * Makes equal rows equal files. Parquet's writer lists the encodings of a column in the order of a
 * hash set of enums, which differs from one JVM to the next, and so would the file. Here the end of
 * the file is held back and its lists are sorted; nothing changes its length or its meaning.
 */
final class EvenParquetStream extends PositionOutputStream {
  /** Length of the footer (4 bytes) and {@code PAR1}. */
  private static final int TRAILER = 8;

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
    for (RowGroup group : footer.getRow_groups()) {
      for (ColumnChunk column : group.getColumns()) {
        List<Encoding> encodings = column.getMeta_data().getEncodings();
        encodings.sort(Comparator.comparingInt(Encoding::getValue));
      }
    }
    ByteArrayOutputStream sorted = new ByteArrayOutputStream(length);
    Util.writeFileMetaData(footer, sorted);
    if (sorted.size() != length) {
      throw new Bug(
          "Sorting a Parquet footer of %d bytes made %d.".formatted(length, sorted.size()));
    }
    System.arraycopy(sorted.toByteArray(), 0, end, start, length);
    return end;
  }
}
