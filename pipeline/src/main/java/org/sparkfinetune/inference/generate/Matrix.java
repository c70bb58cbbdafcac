package org.sparkfinetune.inference.generate;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.model.quant.Absmax;
import org.sparkfinetune.model.quant.Absmax.PlainAbsmax;
import org.sparkfinetune.model.quant.DoubleQuantization;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;

/**
 * A linear's weight (out, in), decoded a panel at a time. May be read by any number of threads,
 * each with buffers of its own.
 */
sealed interface Matrix permits Matrix.Nf4Matrix, Matrix.PlainMatrix {

  int out();

  int in();

  /** How {@link #rows} lie in the buffers. */
  enum Form {
    /** Two bf16 in an int, in {@link ThreadBuffers#ints}. */
    PAIRS,
    /** In {@link ThreadBuffers#floats}. */
    FLOATS;

    /** A panel of rows that are decoded and noted. */
    void panel(int from, int to, Kernels kernels, ThreadBuffers buffers) {
      int[] starts = buffers.starts();
      switch (this) {
        case PAIRS -> kernels.pairs(buffers.ints(0), starts, from / 2, to - from, buffers.panel());
        case FLOATS -> kernels.floats(buffers.floats(0), starts, from, to - from, buffers.panel());
      }
    }
  }

  Form form();

  /** Panels that were decoded before, where {@link #form} is {@link Form#PAIRS}. */
  KeptPanels kept();

  /**
   * Decodes whole rows, for {@link Kernels#pairRows} or {@link Kernels#floatRows}.
   *
   * @return where the first of them begins
   */
  int rows(int firstRow, int rows, ThreadBuffers buffers);

  /**
   * Copies rows, as they are stored, into the buffers.
   *
   * @param rows at most {@link Kernels#PANEL}
   */
  void read(int firstRow, int rows, ThreadBuffers buffers);

  /**
   * Decodes input elements {@code [from, to)} of the rows that were read last into {@link
   * ThreadBuffers#panel}. What it has beyond these rows means nothing.
   *
   * @param from a multiple of {@link Kernels#DEPTH}
   */
  void decode(int from, int to, Kernels kernels, ThreadBuffers buffers);

  /** NF4 in blocks of 64, which may run over the ends of rows. */
  final class Nf4Matrix implements Matrix {
    private static final int BLOCK = Nf4Codec.BLOCK;

    /** To what code times scale is rounded. */
    enum Rounded {
      BF16,
      FLOAT32
    }

    private final int out;
    private final int in;
    private final ByteBuffer packed;
    private final Absmax stored;
    private final float[] absmax;
    private final Rounded rounded;
    private final boolean wholeBlocks;
    private final KeptPanels kept;
    private final Nf4Codec codec = Nf4Codec.fastest();

    /**
     * @param packed from position 0 to its limit; may be mapped
     */
    Nf4Matrix(int out, int in, ByteBuffer packed, Absmax absmax, Rounded rounded) {
      this.out = out;
      this.in = in;
      this.packed = packed;
      this.stored = absmax;
      this.absmax = decoded(absmax);
      this.rounded = rounded;
      this.wholeBlocks = in % BLOCK == 0;
      this.kept = new KeptPanels(out);
    }

    private static float[] decoded(Absmax absmax) {
      if (absmax instanceof PlainAbsmax plain) {
        return plain.values();
      }
      float[] scales = new float[absmax.blocks()];
      DoubleQuantization.decode((NestedAbsmax) absmax, 0, scales.length, scales, 0);
      return scales;
    }

    Rounded rounded() {
      return rounded;
    }

    /** The blocks' scales as they are stored. */
    Absmax absmax() {
      return stored;
    }

    /** The packed codes, from position 0 on. */
    ByteBuffer packed() {
      return packed.duplicate().rewind();
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
      return rounded == Rounded.BF16 && in % 2 == 0 ? Form.PAIRS : Form.FLOATS;
    }

    @Override
    public KeptPanels kept() {
      return kept;
    }

    @Override
    public int rows(int firstRow, int rows, ThreadBuffers buffers) {
      long first = (long) firstRow * in;
      int firstBlock = (int) (first / BLOCK);
      int blocks = (int) ((first + (long) rows * in + BLOCK - 1) / BLOCK) - firstBlock;
      byte[] bytes = buffers.bytes(blocks * Nf4Codec.BLOCK_BYTES);
      int from = firstBlock * Nf4Codec.BLOCK_BYTES;
      packed.get(from, bytes, 0, Math.min(blocks * Nf4Codec.BLOCK_BYTES, packed.limit() - from));
      int offset = (int) (first - (long) firstBlock * BLOCK);
      return switch (form()) {
        case PAIRS -> {
          codec.decodeToBf16(bytes, blocks, absmax, firstBlock, buffers.ints(bytes.length));
          yield offset / 2;
        }
        case FLOATS -> {
          float[] decoded = buffers.floats(2 * bytes.length);
          codec.decodeToFloat32(bytes, blocks, absmax, firstBlock, decoded);
          for (int i = 0; i < decoded.length && rounded == Rounded.BF16; i++) {
            decoded[i] = ScalarKernels.bf16(decoded[i]);
          }
          yield offset;
        }
      };
    }

    @Override
    public void read(int firstRow, int rows, ThreadBuffers buffers) {
      if (!wholeBlocks) {
        int at = rows(firstRow, rows, buffers);
        buffers.read(firstRow, rows, form() == Form.PAIRS ? in / 2 : in, at);
        return;
      }
      buffers.read(firstRow, rows, in / 8, 0);
      int count = rows * in / 8;
      packed
          .slice((int) ((long) firstRow * in / 2), count * Integer.BYTES)
          .order(ByteOrder.LITTLE_ENDIAN)
          .asIntBuffer()
          .get(buffers.ints(count), 0, count);
    }

    @Override
    public void decode(int from, int to, Kernels kernels, ThreadBuffers buffers) {
      int[] starts = buffers.starts();
      if (!wholeBlocks) {
        form().panel(from, to, kernels, buffers);
        return;
      }
      int[] rows = buffers.ints(0);
      int[] codes = buffers.codes();
      float[] scales = buffers.scales();
      for (int r = 0; r < Kernels.PANEL; r++) {
        int row = starts[r] + from / 8;
        for (int i = 0, at = r; i < (to - from) / 8; i++, at += Kernels.PANEL) {
          codes[at] = rows[row + i];
        }
        int block = buffers.row(r) * (in / BLOCK) + from / BLOCK;
        for (int i = 0, at = r; i < (to - from) / BLOCK; i++, at += Kernels.PANEL) {
          scales[at] = absmax[block + i];
        }
      }
      kernels.nf4(codes, scales, to - from, rounded == Rounded.BF16, buffers.panel());
    }
  }

  /** BF16, F16 or F32 as the checkpoint has them, mapped in place. */
  final class PlainMatrix implements Matrix {
    private final int out;
    private final int in;
    private final ByteBuffer bytes;
    private final DType dtype;
    private final SortedMap<Integer, float[]> replaced;
    private final KeptPanels kept;

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
      this.kept = new KeptPanels(out);
    }

    /** The same with other numbers in some rows, each (in). */
    PlainMatrix with(Map<Integer, float[]> rows) {
      return rows.isEmpty() ? this : new PlainMatrix(out, in, bytes, dtype, new TreeMap<>(rows));
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
    public KeptPanels kept() {
      return kept;
    }

    @Override
    public int rows(int firstRow, int rows, ThreadBuffers buffers) {
      ByteBuffer from = slice(firstRow, rows);
      switch (form()) {
        case PAIRS -> from.asIntBuffer().get(buffers.ints(rows * in / 2), 0, rows * in / 2);
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

    @Override
    public void read(int firstRow, int rows, ThreadBuffers buffers) {
      int at = rows(firstRow, rows, buffers);
      buffers.read(firstRow, rows, form() == Form.PAIRS ? in / 2 : in, at);
    }

    @Override
    public void decode(int from, int to, Kernels kernels, ThreadBuffers buffers) {
      form().panel(from, to, kernels, buffers);
    }

    private ByteBuffer slice(int firstRow, int rows) {
      int rowBytes = in * dtype.bytes();
      return bytes.slice(firstRow * rowBytes, rows * rowBytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** How numbers are that {@link #copy} gives. */
    ElementType copied() {
      return dtype == DType.BF16 && replaced.isEmpty() ? ElementType.BFLOAT16 : ElementType.FLOAT32;
    }

    /** Whole rows into a buffer, little-endian, in the type {@link #copied}. */
    void copy(int firstRow, int rows, ByteBuffer to) {
      if (replaced.isEmpty() && dtype != DType.F16) {
        to.put(slice(firstRow, rows));
        return;
      }
      float[] values = new float[in];
      for (int row = firstRow; row < firstRow + rows; row++) {
        row(row, values, 0);
        to.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().put(values);
        to.position(to.position() + in * Float.BYTES);
      }
    }

    DType dtype() {
      return dtype;
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
