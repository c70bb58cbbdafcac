package org.sparkfinetune.inference.generate;

import java.nio.ByteBuffer;
import org.sparkfinetune.model.quant.Nf4Codec;

/** NF4 in blocks of 64, which may run over the ends of rows. */
final class Nf4Matrix implements Matrix {
  private static final int BLOCK = Nf4Codec.BLOCK;

  private final int out;
  private final int in;
  private final ByteBuffer packed;
  private final float[] absmax;
  private final Form form;
  private final Nf4Codec codec = Nf4Codec.fastest();

  /**
   * @param packed from position 0 to its limit; may be mapped
   * @param absmax one a block, decoded
   * @param form PAIRS: rounded to bf16, FLOATS: not rounded
   */
  Nf4Matrix(int out, int in, ByteBuffer packed, float[] absmax, Form form) {
    this.out = out;
    this.in = in;
    this.packed = packed;
    this.absmax = absmax;
    this.form = form;
  }

  @Override
  public int out() {
    return out;
  }

  @Override
  public int in() {
    return in;
  }

  @Override
  public Form form() {
    return form;
  }

  @Override
  public int decode(int firstRow, int rows, ThreadBuffers buffers) {
    long first = (long) firstRow * in;
    int firstBlock = (int) (first / BLOCK);
    int blocks = (int) ((first + (long) rows * in + BLOCK - 1) / BLOCK) - firstBlock;
    byte[] bytes = buffers.bytes(blocks * Nf4Codec.BLOCK_BYTES);
    int from = firstBlock * Nf4Codec.BLOCK_BYTES;
    packed.get(from, bytes, 0, Math.min(blocks * Nf4Codec.BLOCK_BYTES, packed.limit() - from));
    int offset = (int) (first - (long) firstBlock * BLOCK);
    return switch (form) {
      case PAIRS -> {
        codec.decodeToBf16(bytes, blocks, absmax, firstBlock, buffers.pairs(bytes.length));
        yield offset / 2;
      }
      case FLOATS -> {
        codec.decodeToFloat32(bytes, blocks, absmax, firstBlock, buffers.floats(2 * bytes.length));
        yield offset;
      }
    };
  }
}
