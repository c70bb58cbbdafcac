package org.sparkfinetune.engine.metrics;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * The framing of TensorFlow's record files: u64 length, u32 masked CRC-32C of the length's bytes,
 * data, u32 masked CRC-32C of the data; little endian (tensorflow/core/lib/io/record_writer.cc).
 */
final class EventRecords {

  private static final int HEAD = Long.BYTES + Integer.BYTES;
  private static final int FOOT = Integer.BYTES;

  private EventRecords() {}

  static byte[] frame(byte[] data) {
    ByteBuffer record =
        ByteBuffer.allocate(HEAD + data.length + FOOT).order(ByteOrder.LITTLE_ENDIAN);
    record.putLong(data.length);
    record.putInt(maskedCrc(record.array(), 0, Long.BYTES));
    record.put(data);
    record.putInt(maskedCrc(data, 0, data.length));
    return record.array();
  }

  /** The data of the whole and sound records from the beginning on: a kill may cut the last. */
  static List<byte[]> unframe(byte[] file) {
    ByteBuffer bytes = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    List<byte[]> records = new ArrayList<>();
    while (bytes.remaining() >= HEAD + FOOT) {
      int start = bytes.position();
      long length = bytes.getLong();
      boolean isSound = bytes.getInt() == maskedCrc(file, start, Long.BYTES);
      if (!isSound || length < 0 || length > bytes.remaining() - FOOT) {
        break;
      }
      byte[] data = new byte[(int) length];
      bytes.get(data);
      if (bytes.getInt() != maskedCrc(data, 0, data.length)) {
        break;
      }
      records.add(data);
    }
    return records;
  }

  private static int maskedCrc(byte[] bytes, int from, int count) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, from, count);
    return Integer.rotateRight((int) crc.getValue(), 15) + 0xA282EAD8;
  }
}
