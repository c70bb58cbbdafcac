package org.sparkfinetune.inference.generate;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.sparkfinetune.inference.generate.Kernels.Form;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;

/**
 * A linear's weight (out, in), decoded some rows at a time. May be read by any number of threads,
 * each with buffers of its own.
 */
sealed interface Matrix permits Matrix.Nf4Matrix, Matrix.PlainMatrix {

  int out();

  int in();

  Form form();

  /** Input elements of a decoded row, whole vectors. */
  default int padded(Kernels kernels) {
    return form().padded(in(), kernels.lanes());
  }

  /**
   * Decodes rows into {@link ThreadBuffers#ints} or {@link ThreadBuffers#floats}, as the form says,
   * with zeros behind each.
   */
  void rows(int firstRow, int rows, Kernels kernels, ThreadBuffers buffers);

  /**
   * Decodes rows into {@link ThreadBuffers#panel}.
   *
   * @param rows at most {@link Kernels#PANEL}; what the panel has in others means nothing
   */
  default void panel(int firstRow, int rows, Kernels kernels, ThreadBuffers buffers) {
    rows(firstRow, rows, kernels, buffers);
    int padded = padded(kernels);
    float[] panel = buffers.panel(padded * Kernels.PANEL);
    switch (form()) {
      case PAIRS ->
          kernels.pairsPanel(buffers.ints(0), buffers.starts(rows, padded / 2), padded, panel);
      case FLOATS ->
          kernels.floatsPanel(buffers.floats(0), buffers.starts(rows, padded), padded, panel);
    }
  }

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
    public void rows(int firstRow, int rows, Kernels kernels, ThreadBuffers buffers) {
      long first = (long) firstRow * in;
      int firstBlock = (int) (first / BLOCK);
      int blocks = (int) ((first + (long) rows * in + BLOCK - 1) / BLOCK) - firstBlock;
      byte[] bytes = buffers.bytes(blocks * Nf4Codec.BLOCK_BYTES);
      int from = firstBlock * Nf4Codec.BLOCK_BYTES;
      packed.get(from, bytes, 0, Math.min(blocks * Nf4Codec.BLOCK_BYTES, packed.limit() - from));
      int at = (int) (first - (long) firstBlock * BLOCK);
      int padded = padded(kernels);
      switch (form) {
        case PAIRS -> {
          int[] decoded = buffers.ints(bytes.length + rows * padded / 2);
          codec.decodeToBf16(bytes, blocks, absmax, firstBlock, decoded);
          if (at > 0 || padded > in) {
            int[] whole = Arrays.copyOfRange(decoded, at / 2, at / 2 + rows * in / 2);
            Arrays.fill(decoded, 0, rows * padded / 2, 0);
            for (int r = 0; r < rows; r++) {
              System.arraycopy(whole, r * in / 2, decoded, r * padded / 2, in / 2);
            }
          }
        }
        case FLOATS -> {
          float[] decoded = buffers.floats(2 * bytes.length + rows * padded);
          codec.decodeToFloat32(bytes, blocks, absmax, firstBlock, decoded);
          if (at > 0 || padded > in) {
            float[] whole = Arrays.copyOfRange(decoded, at, at + rows * in);
            Arrays.fill(decoded, 0, rows * padded, 0);
            for (int r = 0; r < rows; r++) {
              System.arraycopy(whole, r * in, decoded, r * padded, in);
            }
          }
        }
      }
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
    public void rows(int firstRow, int rows, Kernels kernels, ThreadBuffers buffers) {
      ByteBuffer from = slice(firstRow, rows);
      int padded = padded(kernels);
      if (form() == Form.PAIRS) {
        int[] decoded = buffers.ints(rows * padded / 2);
        IntBuffer pairs = from.asIntBuffer();
        if (padded == in) {
          pairs.get(decoded, 0, rows * in / 2);
          return;
        }
        Arrays.fill(decoded, 0, rows * padded / 2, 0);
        for (int r = 0; r < rows; r++) {
          pairs.get(decoded, r * padded / 2, in / 2);
        }
        return;
      }
      float[] decoded = buffers.floats(rows * padded);
      if (padded == in) {
        Floats.toFloats(dtype, from, decoded, 0, rows * in);
      } else {
        Arrays.fill(decoded, 0, rows * padded, 0);
        for (int r = 0; r < rows; r++) {
          Floats.toFloats(dtype, from, decoded, r * padded, in);
        }
      }
      replaced
          .subMap(firstRow, firstRow + rows)
          .forEach((row, v) -> System.arraycopy(v, 0, decoded, (row - firstRow) * padded, in));
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
