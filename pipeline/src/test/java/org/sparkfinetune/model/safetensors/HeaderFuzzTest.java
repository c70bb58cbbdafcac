package org.sparkfinetune.model.safetensors;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.Fuzz;
import org.sparkfinetune.testing.Fuzz.Share;

final class HeaderFuzzTest {
  private static final long MAX_ALLOCATED = 8 << 20;
  private static final String[] PIECES = {
    "9223372036854775807",
    "-1",
    "18446744073709551616",
    "1e400",
    "0.5",
    "null",
    "true",
    "[]",
    "{}",
    "\"F32\"",
    "\"F64\"",
    "\"F8_E4M3\"",
    "\"\\u0000\"",
    "\"a\"",
    "[4294967296,4294967296]",
    ",",
    ":",
    "\"shape\":[1],",
    "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},",
    "[[[[[[[[",
    "\"__metadata__\":{\"k\":1},",
    "\uD83D\uDE00",
    "NaN",
    "//",
    "99999999999999999999999999"
  };

  @TempDir Path folder;

  @Test
  void every_mutated_file_is_read_whole_or_refused_by_our_error() throws Exception {
    Path file = folder.resolve("fuzz.safetensors");
    int accepted =
        Fuzz.run(
            valid(),
            Share.ALL,
            HeaderFuzzTest::mutatedOnce,
            MAX_ALLOCATED,
            input -> {
              Files.write(file, input);
              try {
                open(file);
              } catch (UserError e) {
                assertThat(e.getMessage()).contains("fuzz.safetensors").hasSizeLessThan(1_500);
                throw e;
              }
            });
    assertThat(accepted).as("inputs that stayed valid").isBetween(1, Fuzz.inputs(Share.ALL) / 2);
  }

  private static void open(Path file) {
    org.apache.hadoop.fs.Path path = new org.apache.hadoop.fs.Path(file.toUri());
    try (SafetensorsFile opened = SafetensorsFile.open(path, new Store(new Configuration(false)))) {
      for (TensorInfo tensor : opened.tensors().values()) {
        opened.read(tensor.name(), 0, ByteBuffer.allocate((int) tensor.byteCount()));
      }
    }
  }

  private static byte[] valid() {
    String json =
        """
        {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},\
        "b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},\
        "c":{"dtype":"U8","shape":[],"data_offsets":[32,33]}}\
        """;
    byte[] header = json.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(8 + header.length + 33)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(header.length)
        .put(header)
        .array();
  }

  private static byte[] mutatedOnce(byte[] bytes, Random random) {
    int at = random.nextInt(Math.max(1, bytes.length));
    return switch (random.nextInt(8)) {
      case 0 -> Arrays.copyOf(bytes, at);
      case 1 -> Arrays.copyOf(bytes, bytes.length + random.nextInt(20));
      case 2 -> Fuzz.flipped(bytes, at, random);
      case 3 -> withLength(bytes, random.nextLong() >>> random.nextInt(64));
      case 4 -> withLength(bytes, bytes.length - 8 + random.nextInt(5) - 2);
      default -> spliced(bytes, random);
    };
  }

  private static byte[] withLength(byte[] bytes, long length) {
    if (bytes.length >= 8) {
      ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
    }
    return bytes;
  }

  /** A piece of JSON put over a few characters of the header, whose length is made to fit. */
  private static byte[] spliced(byte[] bytes, Random random) {
    if (bytes.length < 40) {
      return bytes;
    }
    byte[] piece = PIECES[random.nextInt(PIECES.length)].getBytes(StandardCharsets.UTF_8);
    int at = 8 + random.nextInt(bytes.length - 33);
    int cut = Math.min(random.nextInt(12), bytes.length - at);
    ByteBuffer out = ByteBuffer.allocate(bytes.length - cut + piece.length);
    out.put(bytes, 0, at).put(piece).put(bytes, at + cut, bytes.length - at - cut);
    return withLength(out.array(), out.capacity() - 8 - 33);
  }
}
