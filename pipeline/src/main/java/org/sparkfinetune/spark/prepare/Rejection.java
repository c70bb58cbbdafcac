package org.sparkfinetune.spark.prepare;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.Serializable;
import java.nio.ByteBuffer;
import org.sparkfinetune.data.conversation.RejectedRow.RejectionReason;

/** A row that was not taken, with what a person needs to find and understand it. */
record Rejection(Place place, RejectionReason reason, String detail, String excerpt)
    implements Serializable {
  private static final RejectionReason[] REASONS = RejectionReason.values();

  /** Read again by the other pass of the same job, so the ordinal cannot change between. */
  @SuppressWarnings("EnumOrdinal")
  byte[] encoded() {
    byte[] detailBytes = detail.getBytes(UTF_8);
    byte[] excerptBytes = excerpt.getBytes(UTF_8);
    return ByteBuffer.allocate(24 + detailBytes.length + excerptBytes.length)
        .putInt(place.file())
        .putInt(place.split())
        .putLong(place.number())
        .putInt(reason.ordinal())
        .putInt(detailBytes.length)
        .put(detailBytes)
        .put(excerptBytes)
        .array();
  }

  static Rejection decoded(byte[] bytes) {
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    Place place = new Place(buffer.getInt(), buffer.getInt(), buffer.getLong());
    RejectionReason reason = REASONS[buffer.getInt()];
    int length = buffer.getInt();
    int start = buffer.position();
    return new Rejection(
        place,
        reason,
        new String(bytes, start, length, UTF_8),
        new String(bytes, start + length, bytes.length - start - length, UTF_8));
  }
}
