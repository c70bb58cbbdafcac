package org.sparkfinetune.inference.generate;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;

/**
 * A linear's weight (out, in), decoded some rows at a time. May be read by any number of threads.
 */
sealed interface Matrix permits Matrix.Nf4Matrix, Matrix.PlainMatrix {

  int out();

  int in();

  /** How decoded rows lie in a {@link ThreadBuffers}. */
  enum Form {
    /** Two bf16 in an int. */
    PAIRS,
    FLOATS
  }

  Form form();

  /**
   * Decodes rows into the buffers.
   *
   * @return where the first of them begins there
   */
  int decode(int firstRow, int rows, ThreadBuffers buffers);

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
          codec.decodeToFloat32(
              bytes, blocks, absmax, firstBlock, buffers.floats(2 * bytes.length));
          yield offset;
        }
      };
    }
  }

  /** BF16, F16 or F32 as the checkpoint has them, mapped in place. */
  final class PlainMatrix implements Matrix {
    private final int out;
    private final int in;
    private final ByteBuffer bytes;
    private final DType dtype;
    private final SortedMap<Integer, float[]> replaced;

    PlainMatrix(int out, int in, ByteBuffer bytes, DType dtype) {
      this(out, in, bytes, dtype, new TreeMap<>());
    }

    private PlainMatrix(
        int out, int in, ByteBuffer bytes, DType dtype, SortedMap<Integer, float[]> replaced) {
      this.out = out;
      this.in = in;
      this.bytes = bytes;
      this.dtype = dtype;
      this.replaced = replaced;
    }

    /** The same with other numbers in some rows, each (in). */
    PlainMatrix with(Map<Integer, float[]> rows) {
      return new PlainMatrix(out, in, bytes, dtype, new TreeMap<>(rows));
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
      boolean pairs = dtype == DType.BF16 && in % 2 == 0 && replaced.isEmpty();
      return pairs ? Form.PAIRS : Form.FLOATS;
    }

    @Override
    public int decode(int firstRow, int rows, ThreadBuffers buffers) {
      ByteBuffer from = slice(firstRow, rows);
      switch (form()) {
        case PAIRS -> from.asIntBuffer().get(buffers.pairs(rows * in / 2), 0, rows * in / 2);
        case FLOATS -> {
          float[] decoded = buffers.floats(rows * in);
          Floats.toFloats(dtype, from, decoded, 0, rows * in);
          replaced
              .subMap(firstRow, firstRow + rows)
              .forEach((row, v) -> System.arraycopy(v, 0, decoded, (row - firstRow) * in, in));
        }
      }
      return 0;
    }

    private ByteBuffer slice(int firstRow, int rows) {
      int rowBytes = in * dtype.bytes();
      return bytes.slice(firstRow * rowBytes, rows * rowBytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** One row as float32: the embedding of a token. */
    void row(int row, float[] to, int at) {
      float[] other = replaced.get(row);
      if (other != null) {
        System.arraycopy(other, 0, to, at, in);
        return;
      }
      Floats.toFloats(dtype, slice(row, 1), to, at, in);
    }
  }
}
