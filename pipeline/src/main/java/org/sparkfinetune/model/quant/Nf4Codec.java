package org.sparkfinetune.model.quant;

import java.nio.ByteBuffer;

/**
 * 4-bit NormalFloat (QLoRA, Dettmers et al. 2023, appendix E) in blocks of 64 as bitsandbytes packs
 * it: row-major, the first weight of a pair in the high nibble, one float32 absmax a block.
 *
 * <p>A call covers whole blocks but for its last, which is short only where the tensor ends: there
 * bitsandbytes divides instead of multiplying by the reciprocal, and so do we. All buffers are
 * addressed absolutely (position ignored, limit respected) and little endian whatever their order
 * says; they may be direct, mapped or on the heap. Implementations have no state and may be shared.
 *
 * <p>Weights that are not finite give an absmax that is not finite; that is the caller's to check.
 */
public interface Nf4Codec {
  /** Weights that share an absmax. */
  int BLOCK = 64;

  /** Bytes of a packed block. */
  int BLOCK_BYTES = BLOCK / 2;

  /** The fastest codec that this JVM can run; the choice is logged once. */
  static Nf4Codec fastest() {
    return FastestNf4.CODEC;
  }

  /** Blocks, the last maybe short, of {@code count} weights. */
  static int blocks(int count) {
    return (count + BLOCK - 1) / BLOCK;
  }

  /** Writes the largest magnitude of each block of {@code weights[from, from + count)}. */
  void absmax(float[] weights, int from, int count, float[] absmax, int absmaxFrom);

  /**
   * Appends {@code (count + 1) / 2} bytes at the position of {@code packed}, which advances. A
   * ragged odd end is filled up with the code of zero.
   *
   * @param absmax as {@link #absmax} gave it
   */
  void encode(
      float[] weights, int from, int count, float[] absmax, int absmaxFrom, ByteBuffer packed);

  /**
   * Decodes to bf16: code times absmax in float32, rounded to nearest even.
   *
   * @param firstByte of a block in {@code packed}
   * @param count weights, the last block maybe in part
   * @param outByteOffset where {@code 2 * count} bytes go
   */
  void decodeToBf16(
      ByteBuffer packed,
      int firstByte,
      float[] absmax,
      int absmaxFrom,
      int count,
      ByteBuffer out,
      int outByteOffset);

  /** Like {@link #decodeToBf16}, giving {@code 4 * count} bytes of float32. */
  void decodeToFloat32(
      ByteBuffer packed,
      int firstByte,
      float[] absmax,
      int absmaxFrom,
      int count,
      ByteBuffer out,
      int outByteOffset);

  /**
   * Decodes whole blocks between arrays: byte {@code i} of {@code packed} becomes {@code
   * decoded[i]}, two bf16 of which the first is the low half.
   */
  void decodeToBf16(byte[] packed, int blocks, float[] absmax, int absmaxFrom, int[] decoded);

  /**
   * Like {@link #decodeToBf16(byte[], int, float[], int, int[])}, byte {@code i} giving {@code
   * decoded[2 * i]} and the next.
   */
  void decodeToFloat32(byte[] packed, int blocks, float[] absmax, int absmaxFrom, float[] decoded);

  /**
   * Decodes to bf16 with absmax decoded on the way, a cache-sized piece at a time.
   *
   * @param firstBlock of {@code absmax}, the one that lies at {@code firstByte}
   */
  default void decodeToBf16(
      ByteBuffer packed,
      int firstByte,
      NestedAbsmax absmax,
      int firstBlock,
      int count,
      ByteBuffer out,
      int outByteOffset) {
    absmax.inPieces(
        firstBlock,
        blocks(count),
        (piece, block, n) -> {
          int weight = block * BLOCK;
          decodeToBf16(
              packed,
              firstByte + block * BLOCK_BYTES,
              piece,
              0,
              Math.min(n * BLOCK, count - weight),
              out,
              outByteOffset + weight * Short.BYTES);
        });
  }

  /** Decodes to float32 with absmax decoded on the way, a cache-sized piece at a time. */
  default void decodeToFloat32(
      ByteBuffer packed,
      int firstByte,
      NestedAbsmax absmax,
      int firstBlock,
      int count,
      ByteBuffer out,
      int outByteOffset) {
    absmax.inPieces(
        firstBlock,
        blocks(count),
        (piece, block, n) -> {
          int weight = block * BLOCK;
          decodeToFloat32(
              packed,
              firstByte + block * BLOCK_BYTES,
              piece,
              0,
              Math.min(n * BLOCK, count - weight),
              out,
              outByteOffset + weight * Float.BYTES);
        });
  }

  /** What the codes of NF4 under double quantisation stand for, as tables for other decoders. */
  final class Nf4Lookup {
    /** Values of a byte. */
    public static final int BYTES = 256;

    private Nf4Lookup() {}

    /** The weights, before absmax, of each code. */
    public static float[] values() {
      return Nf4.values();
    }

    /** The weights, before absmax, of each packed byte: first that of the high nibble; (256, 2). */
    public static float[] pairs() {
      float[] pairs = new float[2 * BYTES];
      for (int code = 0; code < BYTES; code++) {
        pairs[2 * code] = Nf4.value(code >> 4);
        pairs[2 * code + 1] = Nf4.value(code & 15);
      }
      return pairs;
    }

    /** Values of an absmax's nested codes, before its group's scale and the offset. */
    public static float[] absmax() {
      return DynamicMap.values();
    }
  }
}
