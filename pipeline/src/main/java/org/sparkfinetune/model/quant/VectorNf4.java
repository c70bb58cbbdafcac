package org.sparkfinetune.model.quant;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import jdk.incubator.vector.FloatVector;
import org.sparkfinetune.model.quant.DynamicMap.NearestCode;

/**
 * {@link Nf4Codec} on the Vector API, for processors with 256-bit and 512-bit vectors.
 *
 * <p>Weights pass through arrays of a few KiB: the API's own access to buffers was dropped after
 * Java 17, and the copies stay in the first-level cache. Only decoding is vectorised: it happens in
 * every step, and in Java 17 a JVM that had compiled other uses of the API before compiled it three
 * times slower.
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
    scalar.absmax(weights, from, count, absmax, absmaxFrom);
  }

  @Override
  public void encode(
      float[] weights, int from, int count, float[] absmax, int absmaxFrom, ByteBuffer packed) {
    int whole = count / BLOCK;
    byte[] pairs = new byte[BLOCK_BYTES];
    for (int block = 0; block < whole; block++) {
      float reciprocal = ScalarNf4.reciprocal(absmax[absmaxFrom + block]);
      NearestCode.encode(weights, from + block * BLOCK, reciprocal, pairs);
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

  @Override
  public void decodeToBf16(
      byte[] packed, int blocks, float[] absmax, int absmaxFrom, int[] decoded) {
    for (int block = 0; block < blocks; block++) {
      kernel.decodeToBf16(packed, block * BLOCK_BYTES, absmax[absmaxFrom + block], decoded);
    }
  }

  @Override
  public void decodeToFloat32(
      byte[] packed, int blocks, float[] absmax, int absmaxFrom, float[] decoded) {
    for (int block = 0; block < blocks; block++) {
      kernel.decodeToFloat32(packed, block * BLOCK_BYTES, absmax[absmaxFrom + block], decoded);
    }
  }

  private static ByteBuffer view(ByteBuffer out, int offset) {
    return out.duplicate().position(offset).order(ByteOrder.LITTLE_ENDIAN);
  }
}
