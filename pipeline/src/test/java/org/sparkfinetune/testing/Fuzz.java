package org.sparkfinetune.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;

/**
 * Damaged input for what reads files and messages. Each must be read or refused by an error of
 * ours, in a second and without believing a length. {@code -Dfuzz.inputs=20000} is the nightly
 * setting, {@code -Dfuzz.seed=…} other inputs.
 */
public final class Fuzz {
  private static final int INPUTS = Integer.getInteger("fuzz.inputs", 2_000);
  private static final long SEED = Long.getLong("fuzz.seed", 7);

  /** Far above what classes loaded on the way take, far below what a believed length would. */
  private static final long MAX_ALLOCATED = 64 << 20;

  private static final List<String> PIECES =
      List.of(
          "9223372036854775807",
          "-1",
          "18446744073709551616",
          "1e400",
          "0.5",
          "null",
          "true",
          "[]",
          "{}",
          "\"\\u0000\"",
          "\"a\"",
          "[[[[[[[[",
          ",",
          ":",
          "\uD83D\uDE00",
          "NaN",
          "//",
          "../../etc/passwd",
          "\"/etc/passwd\"",
          "${jndi:ldap://x}",
          "!!javax.script.ScriptEngineManager [!!java.net.URLClassLoader [[]]]",
          "&a [*a, *a]",
          "<<: *a",
          "\t",
          "\n- ",
          "(a+)+$",
          "2147483648");

  private Fuzz() {}

  /** What is tried with each input. */
  @FunctionalInterface
  public interface Reader {
    void read(byte[] input) throws Exception;
  }

  /** The part of the inputs that a test takes where one input costs more than elsewhere. */
  public enum Share {
    ALL,
    TENTH
  }

  /** Makes another input of a valid one. */
  @FunctionalInterface
  public interface Mutation {
    byte[] once(byte[] valid, Random random);
  }

  /** Inputs that were read, of all that were tried. */
  public static int run(byte[] valid, Share share, Reader reader) throws Exception {
    return run(valid, share, Fuzz::mutatedOnce, MAX_ALLOCATED, reader);
  }

  /**
   * Inputs that were read, of all that were tried.
   *
   * @param mutation applied up to three times to each
   * @param maxAllocated bytes for one input
   */
  public static int run(
      byte[] valid, Share share, Mutation mutation, long maxAllocated, Reader reader)
      throws Exception {
    Random random = new Random(SEED);
    int inputs = inputs(share);
    int accepted = 0;
    reader.read(valid);
    for (int i = 0; i < inputs; i++) {
      byte[] input = valid;
      for (int n = 1 + random.nextInt(3); n > 0; n--) {
        input = mutation.once(input.clone(), random);
      }
      long before = allocated();
      long start = System.nanoTime();
      try {
        reader.read(input);
        accepted++;
      } catch (UserError | RunFailure e) {
        assertThat(e.getMessage()).as("input %d", i).isNotBlank().hasSizeLessThan(4_000);
      } catch (Throwable e) {
        fail("input " + i + " of seed " + SEED + ": " + shown(input, valid), e);
      }
      assertThat(allocated() - before).as("bytes allocated, input %d", i).isLessThan(maxAllocated);
      assertThat(System.nanoTime() - start)
          .as("nanoseconds, input %d", i)
          .isLessThan(TimeUnit.SECONDS.toNanos(30));
    }
    assertThat(accepted).as("inputs refused").isLessThan(inputs);
    return accepted;
  }

  /** How many inputs are tried. */
  public static int inputs(Share share) {
    return share == Share.ALL ? INPUTS : INPUTS / 10;
  }

  private static String shown(byte[] input, byte[] valid) {
    int from = Math.max(0, Arrays.mismatch(input, valid) - 40);
    byte[] part = Arrays.copyOfRange(input, from, Math.min(input.length, from + 200));
    return "from %d: %s = %s"
        .formatted(from, new String(part, StandardCharsets.UTF_8), HexFormat.of().formatHex(part));
  }

  private static long allocated() {
    return ((com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean())
        .getCurrentThreadAllocatedBytes();
  }

  private static byte[] mutatedOnce(byte[] bytes, Random random) {
    int at = random.nextInt(Math.max(1, bytes.length));
    return switch (random.nextInt(8)) {
      case 0 -> Arrays.copyOf(bytes, at);
      case 1 -> Arrays.copyOf(bytes, bytes.length + random.nextInt(20));
      case 2, 3 -> flipped(bytes, at, random);
      case 4 -> repeated(bytes, at, random);
      default -> spliced(bytes, at, random);
    };
  }

  /** One bit, in place. */
  public static byte[] flipped(byte[] bytes, int at, Random random) {
    if (bytes.length > 0) {
      bytes[at] ^= (byte) (1 << random.nextInt(8));
    }
    return bytes;
  }

  /** A stretch of the input once more, somewhere else. */
  private static byte[] repeated(byte[] bytes, int at, Random random) {
    int from = random.nextInt(Math.max(1, bytes.length));
    byte[] piece =
        Arrays.copyOfRange(bytes, from, Math.min(bytes.length, from + 1 + random.nextInt(60)));
    return put(bytes, at, 0, piece);
  }

  private static byte[] spliced(byte[] bytes, int at, Random random) {
    byte[] piece = PIECES.get(random.nextInt(PIECES.size())).getBytes(StandardCharsets.UTF_8);
    return put(bytes, at, Math.min(random.nextInt(12), bytes.length - at), piece);
  }

  private static byte[] put(byte[] bytes, int at, int cut, byte[] piece) {
    byte[] out = new byte[bytes.length - Math.max(0, cut) + piece.length];
    System.arraycopy(bytes, 0, out, 0, at);
    System.arraycopy(piece, 0, out, at, piece.length);
    int rest = at + Math.max(0, cut);
    System.arraycopy(bytes, rest, out, at + piece.length, bytes.length - rest);
    return out;
  }
}
