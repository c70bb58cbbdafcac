package org.sparkfinetune.engine.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.sparkfinetune.engine.tensor.OnDevice.DropoutChance;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * Writes masks of 0 and 1/(1-p). Each element hashes its counter under a key (MurmurHash3's
 * finaliser) and is kept if the upper 24 bits reach p x 2^24. The loops go over arrays of int
 * alone, with counters from a table: such loops the JIT compiler turns into vectors, ten times as
 * fast.
 */
final class MaskWriter {
  /** Elements made at a time; table and result stay in the processor's first cache. */
  private static final int PIECE = 1 << 12;

  private static final int STRIDE = 0x9E3779B1;
  private static final int[] ALL = counters(0, 1, PIECE);
  private static final int[] EVEN = counters(0, 2, PIECE / 2);
  private static final int[] ODD = counters(1, 2, PIECE / 2);

  private final double p;
  private final int threshold;
  private final int keep;

  MaskWriter(double p) {
    this.p = p;
    this.threshold = (int) Math.round(p * (1 << 24));
    this.keep = Float.floatToRawIntBits((float) (1 / (1 - p)));
  }

  private static int[] counters(int first, int step, int count) {
    int[] counters = new int[count];
    for (int i = 0; i < count; i++) {
      counters[i] = (first + i * step) * STRIDE;
    }
    return counters;
  }

  /**
   * Writes elements {@code 0, 1, …} of the mask that {@code key} stands for.
   *
   * @param from of {@code mask}, in elements
   */
  void write(ByteBuffer mask, ElementType type, int from, int count, long key) {
    int[] bits = new int[Math.min(PIECE, count)];
    for (int first = 0; first < count; first += PIECE) {
      int n = Math.min(PIECE, count - first);
      int base = first * STRIDE + (int) key;
      ByteBuffer out =
          mask.slice((from + first) * type.bytes(), n * type.bytes())
              .order(ByteOrder.LITTLE_ENDIAN);
      if (type == ElementType.FLOAT32) {
        singles(bits, n, base, (int) (key >>> 32));
        out.asIntBuffer().put(bits, 0, n);
      } else {
        // The last of an odd number comes with one more, which is not written.
        pairs(bits, (n + 1) / 2, base, (int) (key >>> 32));
        out.asIntBuffer().put(bits, 0, n / 2);
        if (n % 2 == 1) {
          out.putShort(2 * (n - 1), (short) bits[n / 2]);
        }
      }
    }
  }

  /** What a device needs to write the same. */
  DropoutChance chance() {
    return new DropoutChance(p, threshold, Float.intBitsToFloat(keep));
  }

  private void singles(int[] out, int count, int base, int high) {
    for (int i = 0; i < count; i++) {
      out[i] = keep & ~dropped(ALL[i] + base, high);
    }
  }

  /** Two bfloat16, the first in the lower half. */
  private void pairs(int[] out, int count, int base, int high) {
    int upper = keep + 0x8000 & 0xFFFF0000;
    int lower = upper >>> 16;
    for (int i = 0; i < count; i++) {
      out[i] = lower & ~dropped(EVEN[i] + base, high) | upper & ~dropped(ODD[i] + base, high);
    }
  }

  /** All bits or none. */
  private int dropped(int counter, int high) {
    int x = counter ^ high;
    x ^= x >>> 16;
    x *= 0x85EBCA6B;
    x ^= x >>> 13;
    x *= 0xC2B2AE35;
    x ^= x >>> 16;
    return ((x >>> 8) - threshold) >> 31;
  }
}
