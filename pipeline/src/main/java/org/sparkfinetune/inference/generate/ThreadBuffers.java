package org.sparkfinetune.inference.generate;

import org.sparkfinetune.model.quant.Nf4Codec;

/** A thread's own memory for the rows of a panel, stored and decoded, and for attention. */
final class ThreadBuffers {
  private static final ThreadLocal<ThreadBuffers> OF_THREAD =
      ThreadLocal.withInitial(ThreadBuffers::new);

  private final int[] rows = new int[Kernels.PANEL];
  private final int[] starts = new int[Kernels.PANEL];
  private final int[] codes = new int[Kernels.DEPTH / 8 * Kernels.PANEL];
  private final float[] scales = new float[Kernels.DEPTH / Nf4Codec.BLOCK * Kernels.PANEL];
  private final float[] panel = new float[Kernels.DEPTH * Kernels.PANEL];
  private byte[] bytes = new byte[0];
  private int[] ints = new int[0];
  private final GrowingFloats floats = new GrowingFloats();
  private final GrowingFloats queries = new GrowingFloats();
  private final GrowingFloats scores = new GrowingFloats();
  private final GrowingFloats results = new GrowingFloats();

  static ThreadBuffers ofThisThread() {
    return OF_THREAD.get();
  }

  /**
   * Notes which rows are read. A panel of fewer rows repeats its last.
   *
   * @param stride from one to the next, in ints or floats
   * @param at where the first begins
   */
  void read(int firstRow, int count, int stride, int at) {
    for (int r = 0; r < Kernels.PANEL; r++) {
      int row = Math.min(r, count - 1);
      rows[r] = firstRow + row;
      starts[r] = at + row * stride;
    }
  }

  /** The matrix's row that is row r of the panel. */
  int row(int r) {
    return rows[r];
  }

  /** Where each row of the panel begins in {@link #ints} or {@link #floats}. */
  int[] starts() {
    return starts;
  }

  /** ({@code DEPTH / 8}, PANEL). */
  int[] codes() {
    return codes;
  }

  /** ({@code DEPTH / 64}, PANEL). */
  float[] scales() {
    return scales;
  }

  /** (DEPTH, PANEL). */
  float[] panel() {
    return panel;
  }

  byte[] bytes(int size) {
    if (bytes.length < size) {
      bytes = new byte[size];
    }
    return bytes;
  }

  int[] ints(int size) {
    if (ints.length < size) {
      ints = new int[size];
    }
    return ints;
  }

  float[] floats(int size) {
    return floats.of(size);
  }

  float[] queries(int size) {
    return queries.of(size);
  }

  float[] scores(int size) {
    return scores.of(size);
  }

  float[] results(int size) {
    return results.of(size);
  }
}
