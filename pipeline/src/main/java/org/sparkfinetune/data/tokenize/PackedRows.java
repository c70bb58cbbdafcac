package org.sparkfinetune.data.tokenize;

/** Random access to the packed rows of one split, all of the same length. */
public interface PackedRows extends AutoCloseable {
  int size();

  int rowLength();

  PackedRow row(int index);

  @Override
  void close();
}
