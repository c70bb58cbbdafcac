package org.sparkfinetune.model.quant;

import java.util.Arrays;
import java.util.Objects;
import org.sparkfinetune.errors.Bug;

/**
 * Absmax values of consecutive blocks, quantised to 8 bits ({@link DoubleQuantization}).
 *
 * @param codes one byte a block, unsigned
 * @param absmax2 one float a group of 256 blocks
 * @param offset the mean of the whole tensor's absmax
 * @param phase blocks of the first group that lie before {@code codes[0]}: 0 unless this is a slice
 * @param map the 256 values of the codes. Kept because a checkpoint brings its own: the same
 *     formula gives a last place more or less on another processor
 */
@SuppressWarnings("ArrayRecordComponent")
public record NestedAbsmax(byte[] codes, float[] absmax2, float offset, int phase, float[] map)
    implements Absmax {
  /** Blocks that share a value of {@code absmax2}. */
  public static final int GROUP = 256;

  private static final int PIECE = 1024;

  public NestedAbsmax {
    Objects.checkIndex(phase, GROUP);
    if (map.length != GROUP || absmax2.length != groups(phase + codes.length)) {
      throw new Bug(
          "%s blocks with phase %s came with %s groups and a map of %s values."
              .formatted(codes.length, phase, absmax2.length, map.length));
    }
  }

  /** A whole tensor's, with the map of {@link DynamicMap}. */
  public NestedAbsmax(byte[] codes, float[] absmax2, float offset) {
    this(codes, absmax2, offset, 0, DynamicMap.values());
  }

  /** A slice's, with the map of {@link DynamicMap}. */
  public static NestedAbsmax slice(byte[] codes, float[] absmax2, float offset, int phase) {
    return new NestedAbsmax(codes, absmax2, offset, phase, DynamicMap.values());
  }

  /** Whether the codes mean what they mean here, but for rounding. */
  public boolean hasUsualMap() {
    float[] usual = DynamicMap.values();
    for (int code = 0; code < usual.length; code++) {
      if (!(Math.abs(map[code] - usual[code]) <= 1e-6f)) {
        return false;
      }
    }
    return true;
  }

  static int groups(int blocks) {
    return (blocks + GROUP - 1) / GROUP;
  }

  @Override
  public int blocks() {
    return codes.length;
  }

  /** The same values for {@code count} blocks from {@code firstBlock} on, copied. */
  public NestedAbsmax slice(int firstBlock, int count) {
    Objects.checkFromIndexSize(firstBlock, count, codes.length);
    int first = phase + firstBlock;
    int firstGroup = count == 0 ? 0 : first / GROUP;
    return new NestedAbsmax(
        Arrays.copyOfRange(codes, firstBlock, firstBlock + count),
        Arrays.copyOfRange(absmax2, firstGroup, count == 0 ? 0 : groups(first + count)),
        offset,
        count == 0 ? 0 : first % GROUP,
        map);
  }

  /** What to do with a piece of decoded values. */
  @FunctionalInterface
  interface Piece {
    /**
     * Takes a piece.
     *
     * @param absmax holds the values at {@code [0, count)}; used again for the next piece
     * @param block index of the first of them, counted from the range's first
     */
    void accept(float[] absmax, int block, int count);
  }

  void inPieces(int firstBlock, int count, Piece action) {
    float[] piece = new float[Math.min(PIECE, count)];
    for (int done = 0; done < count; done += PIECE) {
      int n = Math.min(PIECE, count - done);
      DoubleQuantization.decode(this, firstBlock + done, n, piece, 0);
      action.accept(piece, done, n);
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof NestedAbsmax that
        && Arrays.equals(codes, that.codes)
        && Arrays.equals(absmax2, that.absmax2)
        && Float.compare(offset, that.offset) == 0
        && phase == that.phase
        && Arrays.equals(map, that.map);
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(codes) + Arrays.hashCode(absmax2);
  }

  @Override
  public String toString() {
    return "NestedAbsmax of " + codes.length + " blocks, offset " + offset;
  }
}
