package org.sparkfinetune.inference.export;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Consumer;

/** Key-value pairs in GGUF's encoding (ggml's docs/gguf.md, version 3): little endian, typed. */
final class GgufMetadata {
  private static final int UINT32 = 4;
  private static final int INT32 = 5;
  private static final int FLOAT32 = 6;
  private static final int BOOL = 7;
  private static final int STRING = 8;
  private static final int ARRAY = 9;

  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private int count;

  int count() {
    return count;
  }

  byte[] bytes() {
    return bytes.toByteArray();
  }

  void put(String key, int value) {
    begin(key, UINT32);
    int32(value);
  }

  void put(String key, float value) {
    begin(key, FLOAT32);
    int32(Float.floatToRawIntBits(value));
  }

  void put(String key, boolean value) {
    begin(key, BOOL);
    bytes.write(value ? 1 : 0);
  }

  void put(String key, String value) {
    begin(key, STRING);
    string(value);
  }

  void putStrings(String key, List<String> values) {
    array(key, STRING, values, this::string);
  }

  void putInts(String key, List<Integer> values) {
    array(key, INT32, values, this::int32);
  }

  void putFloats(String key, List<Float> values) {
    array(key, FLOAT32, values, value -> int32(Float.floatToRawIntBits(value)));
  }

  void putBooleans(String key, List<Boolean> values) {
    array(key, BOOL, values, value -> bytes.write(value ? 1 : 0));
  }

  private <T> void array(String key, int type, List<T> values, Consumer<T> writer) {
    begin(key, ARRAY);
    int32(type);
    int64(values.size());
    values.forEach(writer);
  }

  private void begin(String key, int type) {
    count++;
    string(key);
    int32(type);
  }

  /** A string without a key, as tensor names are. */
  void string(String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    int64(utf8.length);
    bytes.writeBytes(utf8);
  }

  void int32(int value) {
    bytes.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
  }

  void int64(long value) {
    bytes.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
  }
}
