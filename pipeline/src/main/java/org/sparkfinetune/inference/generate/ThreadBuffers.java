package org.sparkfinetune.inference.generate;

/** A thread's own memory for decoded rows and scores; grows as needed. */
final class ThreadBuffers {
  private static final ThreadLocal<ThreadBuffers> OF_THREAD =
      ThreadLocal.withInitial(ThreadBuffers::new);

  private byte[] bytes = new byte[0];
  private int[] pairs = new int[0];
  private float[] floats = new float[0];
  private float[] scores = new float[0];

  static ThreadBuffers ofThisThread() {
    return OF_THREAD.get();
  }

  byte[] bytes(int size) {
    if (bytes.length < size) {
      bytes = new byte[size];
    }
    return bytes;
  }

  int[] pairs(int size) {
    if (pairs.length < size) {
      pairs = new int[size];
    }
    return pairs;
  }

  float[] floats(int size) {
    if (floats.length < size) {
      floats = new float[size];
    }
    return floats;
  }

  float[] scores(int size) {
    if (scores.length < size) {
      scores = new float[Math.max(size, 2 * scores.length)];
    }
    return scores;
  }
}
