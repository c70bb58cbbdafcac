package org.sparkfinetune.spark.prepare;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.List;
import org.sparkfinetune.data.conversation.RejectedRow.RejectionReason;

/** A row that was not taken, with what a person needs to find and understand it. */
record DeadLetterRow(
    InputRows.Position position, RejectionReason reason, String detail, String excerpt)
    implements Serializable {
  private static final RejectionReason[] REASONS = RejectionReason.values();

  /**
   * Gives dead-letter rows positions in the same 64-bit order as samples, spread over it in
   * proportion to the bytes of the input: so they come out by file and row, and no bucket gets more
   * than its part.
   */
  // Travels to executors and is never compared.
  @SuppressWarnings("ArrayRecordComponent")
  record Order(long[] bytesBefore, long unit) implements Serializable {
    static Order of(List<InputFile> files) {
      long[] bytesBefore = new long[files.size()];
      long total = 0;
      for (InputFile file : files) {
        bytesBefore[file.index()] = total;
        // An empty file still needs a position of its own.
        total += Math.max(1, file.length());
      }
      return new Order(bytesBefore, Long.divideUnsigned(-1L, Math.max(1, total)));
    }

    /**
     * @param splitStart the split's first byte
     */
    long of(InputRows.Position position, long splitStart) {
      long bytes = bytesBefore[position.file()] + splitStart;
      return (bytes * unit + position.number()) ^ Long.MIN_VALUE;
    }
  }

  /** Read again by the other pass of the same job, so the ordinal cannot change between. */
  @SuppressWarnings("EnumOrdinal")
  byte[] encoded() {
    byte[] detailBytes = detail.getBytes(UTF_8);
    byte[] excerptBytes = excerpt.getBytes(UTF_8);
    return ByteBuffer.allocate(24 + detailBytes.length + excerptBytes.length)
        .putInt(position.file())
        .putInt(position.split())
        .putLong(position.number())
        .putInt(reason.ordinal())
        .putInt(detailBytes.length)
        .put(detailBytes)
        .put(excerptBytes)
        .array();
  }

  static DeadLetterRow decoded(byte[] bytes) {
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    InputRows.Position position =
        new InputRows.Position(buffer.getInt(), buffer.getInt(), buffer.getLong());
    RejectionReason reason = REASONS[buffer.getInt()];
    int length = buffer.getInt();
    int start = buffer.position();
    return new DeadLetterRow(
        position,
        reason,
        new String(bytes, start, length, UTF_8),
        new String(bytes, start + length, bytes.length - start - length, UTF_8));
  }
}
