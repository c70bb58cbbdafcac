package org.sparkfinetune.inference.generate;

/** A thread's own memory for the rows of a panel, stored and decoded, and for attention. */
final class ThreadBuffers {
  private static final ThreadLocal<ThreadBuffers> OF_THREAD =
      ThreadLocal.withInitial(ThreadBuffers::new);

  private final int[] starts = new int[Kernels.PANEL];
  private byte[] bytes = new byte[0];
  private int[] ints = new int[0];
  private float[] floats = new float[0];
  private float[] panel = new float[0];
  private float[] queries = new float[0];
  private float[] scores = new float[0];
  private float[] results = new float[0];

  static ThreadBuffers ofThisThread() {
    return OF_THREAD.get();
  }

  /** Where each of some rows begins; a panel of fewer rows repeats its last. */
  int[] starts(int rows, int stride) {
    for (int r = 0; r < Kernels.PANEL; r++) {
      starts[r] = Math.min(r, rows - 1) * stride;
    }
    return starts;
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
    if (floats.length < size) {
      floats = new float[size];
    }
    return floats;
  }

  float[] panel(int size) {
    if (panel.length < size) {
      panel = new float[size];
    }
    return panel;
  }

  float[] queries(int size) {
    if (queries.length < size) {
      queries = new float[size];
    }
    return queries;
  }

  float[] scores(int size) {
    if (scores.length < size) {
      scores = new float[Math.max(size, 2 * scores.length)];
    }
    return scores;
  }

  float[] results(int size) {
    if (results.length < size) {
      results = new float[size];
    }
    return results;
  }
}
