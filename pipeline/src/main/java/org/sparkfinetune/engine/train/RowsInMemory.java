package org.sparkfinetune.engine.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.data.tokenize.PackedRows;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.store.Store;

/** A few packed rows, held. */
record RowsInMemory(List<PackedRow> rows) implements PackedRows {
  RowsInMemory {
    rows = List.copyOf(rows);
  }

  /**
   * Rows from a safetensors file, which PyTorch writes and reads as easily: {@code input_ids},
   * {@code labels}, {@code position_ids} and {@code segment_ids}, each (rows, tokens) of I64 or
   * I32.
   *
   * @throws UserError if it holds anything else
   */
  static RowsInMemory read(Path file, Store store) {
    try (Checkpoint tensors = Checkpoint.openFile(file, store)) {
      int[][] ids = column(tensors, "input_ids");
      int[][] labels = column(tensors, "labels");
      int[][] positions = column(tensors, "position_ids");
      int[][] segments = column(tensors, "segment_ids");
      List<PackedRow> rows = new ArrayList<>();
      for (int row = 0; row < ids.length; row++) {
        rows.add(new PackedRow(ids[row], labels[row], positions[row], segments[row]));
      }
      return new RowsInMemory(rows);
    }
  }

  private static int[][] column(Checkpoint tensors, String name) {
    TensorInfo info = tensors.info(name);
    long[] shape = tensors.info("input_ids").shape();
    boolean whole = info.dtype() == DType.I64 || info.dtype() == DType.I32;
    if (!whole || shape.length != 2 || !java.util.Arrays.equals(info.shape(), shape)) {
      throw new UserError(
          String.format(
              "%s: %s is %s %s; packed rows are four tensors of one shape (rows, tokens), I64 or"
                  + " I32.",
              tensors.where(name), name, info.dtype(), java.util.Arrays.toString(info.shape())));
    }
    ByteBuffer bytes =
        ByteBuffer.allocate(Math.toIntExact(info.byteCount())).order(ByteOrder.LITTLE_ENDIAN);
    tensors.read(name, 0, bytes);
    bytes.flip();
    int[][] values = new int[Math.toIntExact(shape[0])][Math.toIntExact(shape[1])];
    for (int[] row : values) {
      for (int i = 0; i < row.length; i++) {
        row[i] = info.dtype() == DType.I64 ? (int) bytes.getLong() : bytes.getInt();
      }
    }
    return values;
  }

  @Override
  public int size() {
    return rows.size();
  }

  @Override
  public int rowLength() {
    return rows.isEmpty() ? 0 : rows.get(0).length();
  }

  @Override
  public PackedRow row(int index) {
    return rows.get(index);
  }

  @Override
  public void close() {}
}
