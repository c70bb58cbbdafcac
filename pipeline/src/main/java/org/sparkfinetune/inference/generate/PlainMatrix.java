package org.sparkfinetune.inference.generate;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;

/** BF16, F16 or F32 as the checkpoint has them, mapped in place. */
final class PlainMatrix implements Matrix {
  private final int out;
  private final int in;
  private final ByteBuffer bytes;
  private final DType dtype;

  PlainMatrix(int out, int in, ByteBuffer bytes, DType dtype) {
    this.out = out;
    this.in = in;
    this.bytes = bytes;
    this.dtype = dtype;
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
    return dtype == DType.BF16 && in % 2 == 0 ? Form.PAIRS : Form.FLOATS;
  }

  @Override
  public int decode(int firstRow, int rows, ThreadBuffers buffers) {
    ByteBuffer from = slice(firstRow, rows);
    switch (form()) {
      case PAIRS -> from.asIntBuffer().get(buffers.pairs(rows * in / 2), 0, rows * in / 2);
      case FLOATS -> Floats.toFloats(dtype, from, buffers.floats(rows * in), 0, rows * in);
    }
    return 0;
  }

  private ByteBuffer slice(int firstRow, int rows) {
    int rowBytes = in * dtype.bytes();
    return bytes.slice(firstRow * rowBytes, rows * rowBytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** One row as float32: the embedding of a token. */
  void row(int row, float[] to, int at) {
    Floats.toFloats(dtype, slice(row, 1), to, at, in);
  }
}
