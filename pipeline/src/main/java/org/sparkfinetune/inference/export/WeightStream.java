package org.sparkfinetune.inference.export;

import java.nio.ByteBuffer;
import java.util.function.Consumer;
import org.sparkfinetune.model.family.WeightValues;
import org.sparkfinetune.store.OrderedPieces;

/** Weights' values as bytes, one behind the other; read and encoded on all cores. */
final class WeightStream implements AutoCloseable {
  /** Elements; a multiple of every format's blocks. */
  private static final int PIECE = 1 << 18;

  private final OrderedPieces pieces = new OrderedPieces();
  private final Consumer<ByteBuffer> sink;

  WeightStream(Consumer<ByteBuffer> sink) {
    this.sink = sink;
  }

  /** How values become bytes; called by several threads. */
  interface Encoding {
    /**
     * @param values of which the first {@code count} are meant
     */
    ByteBuffer encode(float[] values, int count);
  }

  void write(WeightValues values, long elements, Encoding encoding) {
    pieces.run(
        (elements + PIECE - 1) / PIECE,
        piece -> {
          long first = piece * PIECE;
          int count = (int) Math.min(PIECE, elements - first);
          float[] read = new float[count];
          values.read(first, read, count);
          return encoding.encode(read, count);
        },
        sink);
  }

  @Override
  public void close() {
    pieces.close();
  }
}
