package org.sparkfinetune.quant;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.Objects;
import jdk.incubator.vector.FloatVector;

/**
 * {@link Nf4Codec} on the Vector API, for processors with 256-bit and 512-bit vectors.
 *
 * <p>Weights pass through arrays of a few KiB: the API's own access to buffers was dropped after
 * Java 17, and the copies stay in the first-level cache.
 */
public final class VectorNf4 implements Nf4Codec {
  /** Blocks of a piece: 2 KiB packed, 8 or 16 KiB decoded. */
  private static final int PIECE = 64;

  private final ScalarNf4 scalar = new ScalarNf4();
  private final Nf4Kernel kernel;

  /** For the vectors that this processor prefers. */
  public VectorNf4() {
    this(FloatVector.SPECIES_PREFERRED.vectorBitSize());
  }

  VectorNf4(int bits) {
    this.kernel =
        switch (bits) {
          case 256 -> new Nf4Kernel256();
          case 512 -> new Nf4Kernel512();
          default ->
              throw new UnsupportedOperationException(
                  "NF4 has no kernel for " + bits + "-bit vectors");
        };
  }

  @Override
  public String toString() {
    return kernel.toString();
  }

  @Override
  public void absmax(float[] weights, int from, int count, float[] absmax, int absmaxFrom) {
    Objects.checkFromIndexSize(from, count, weights.length);
    int whole = count / BLOCK;
    for (int block = 0; block < whole; block++) {
      absmax[absmaxFrom + block] = kernel.absmax(weights, from + block * BLOCK);
    }
    int done = whole * BLOCK;
    scalar.absmax(weights, from + done, count - done, absmax, absmaxFrom + whole);
  }

  @Override
  public void encode(
      float[] weights, int from, int count, float[] absmax, int absmaxFrom, ByteBuffer packed) {
    Objects.checkFromIndexSize(from, count, weights.length);
    int whole = count / BLOCK;
    int[] codes = new int[BLOCK];
    byte[] pairs = new byte[BLOCK_BYTES];
    for (int block = 0; block < whole; block++) {
      float reciprocal = ScalarNf4.reciprocal(absmax[absmaxFrom + block]);
      kernel.encode(weights, from + block * BLOCK, reciprocal, codes);
      for (int i = 0; i < BLOCK_BYTES; i++) {
        pairs[i] = (byte) (codes[2 * i] << 4 | codes[2 * i + 1]);
      }
      packed.put(pairs);
    }
    int done = whole * BLOCK;
    scalar.encode(weights, from + done, count - done, absmax, absmaxFrom + whole, packed);
  }

  @Override
  public void decodeToBf16(
      ByteBuffer packed,
      int firstByte,
      float[] absmax,
      int absmaxFrom,
      int count,
      ByteBuffer out,
      int outByteOffset) {
    int whole = count / BLOCK;
    byte[] pairs = new byte[Math.min(PIECE, whole) * BLOCK_BYTES];
    int[] decoded = new int[pairs.length];
    IntBuffer target = view(out, outByteOffset).asIntBuffer();
    for (int done = 0; done < whole; done += PIECE) {
      int blocks = Math.min(PIECE, whole - done);
      packed.get(firstByte + done * BLOCK_BYTES, pairs, 0, blocks * BLOCK_BYTES);
      for (int block = 0; block < blocks; block++) {
        kernel.decodeToBf16(pairs, block * BLOCK_BYTES, absmax[absmaxFrom + done + block], decoded);
      }
      target.put(decoded, 0, blocks * BLOCK_BYTES);
    }
    scalar.decodeToBf16(
        packed,
        firstByte + whole * BLOCK_BYTES,
        absmax,
        absmaxFrom + whole,
        count - whole * BLOCK,
        out,
        outByteOffset + whole * BLOCK * Short.BYTES);
  }

  @Override
  public void decodeToFloat32(
      ByteBuffer packed,
      int firstByte,
      float[] absmax,
      int absmaxFrom,
      int count,
      ByteBuffer out,
      int outByteOffset) {
    int whole = count / BLOCK;
    byte[] pairs = new byte[Math.min(PIECE, whole) * BLOCK_BYTES];
    float[] decoded = new float[pairs.length * 2];
    FloatBuffer target = view(out, outByteOffset).asFloatBuffer();
    for (int done = 0; done < whole; done += PIECE) {
      int blocks = Math.min(PIECE, whole - done);
      packed.get(firstByte + done * BLOCK_BYTES, pairs, 0, blocks * BLOCK_BYTES);
      for (int block = 0; block < blocks; block++) {
        kernel.decodeToFloat32(
            pairs, block * BLOCK_BYTES, absmax[absmaxFrom + done + block], decoded);
      }
      target.put(decoded, 0, blocks * BLOCK);
    }
    scalar.decodeToFloat32(
        packed,
        firstByte + whole * BLOCK_BYTES,
        absmax,
        absmaxFrom + whole,
        count - whole * BLOCK,
        out,
        outByteOffset + whole * BLOCK * Float.BYTES);
  }

  private static ByteBuffer view(ByteBuffer out, int offset) {
    return out.duplicate().position(offset).order(ByteOrder.LITTLE_ENDIAN);
  }
}
