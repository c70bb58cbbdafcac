package org.sparkfinetune.spark.tokenize;

import java.nio.ByteBuffer;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.sql.Row;
import org.sparkfinetune.data.tokenize.SampleLengths;

/** What the driver learns of a chunk: where it belongs, its samples' lengths, what went wrong. */
record PlacedLengths(Chunk chunk, SampleLengths lengths, Optional<String> error) {
  static final Comparator<PlacedLengths> ORDER = Comparator.comparing(PlacedLengths::chunk);

  /**
   * @param row (file, block, first, lengths, first_trained, error)
   */
  static PlacedLengths of(Row row) {
    Chunk chunk = new Chunk(row.getString(0), row.getLong(1), row.getLong(2));
    byte[] lengths = row.getAs(3);
    byte[] firstTrained = row.getAs(4);
    Optional<String> error = row.isNullAt(5) ? Optional.empty() : Optional.of(row.getString(5));
    return new PlacedLengths(chunk, new SampleLengths(ints(lengths), ints(firstTrained)), error);
  }

  /** Big-endian ints of a binary column. */
  static int[] ints(byte[] bytes) {
    int[] values = new int[bytes.length / Integer.BYTES];
    ByteBuffer.wrap(bytes).asIntBuffer().get(values);
    return values;
  }

  static SampleLengths concatenated(List<PlacedLengths> chunks) {
    int samples = chunks.stream().mapToInt(chunk -> chunk.lengths().samples()).sum();
    int[] lengths = new int[samples];
    int[] firstTrained = new int[samples];
    int at = 0;
    for (PlacedLengths chunk : chunks) {
      int count = chunk.lengths().samples();
      System.arraycopy(chunk.lengths().lengths(), 0, lengths, at, count);
      System.arraycopy(chunk.lengths().firstTrained(), 0, firstTrained, at, count);
      at += count;
    }
    return new SampleLengths(lengths, firstTrained);
  }

  static Map<Chunk, Integer> firstSamples(List<PlacedLengths> chunks) {
    Map<Chunk, Integer> first = new HashMap<>();
    int samples = 0;
    for (PlacedLengths chunk : chunks) {
      first.put(chunk.chunk(), samples);
      samples += chunk.lengths().samples();
    }
    return first;
  }
}
