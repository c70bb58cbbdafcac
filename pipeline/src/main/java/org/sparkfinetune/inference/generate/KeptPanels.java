package org.sparkfinetune.inference.generate;

import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Panels of a matrix of bf16 that were decoded and stay: each {@code (in / 2, PANEL)} ints, two
 * neighbouring input elements of a row in one, the first in its low half. Whoever needs one first
 * makes it; if two do at a time, they make the same.
 */
final class KeptPanels {
  private final AtomicReferenceArray<int[]> panels;

  KeptPanels(int out) {
    this.panels = new AtomicReferenceArray<>(Kernels.panels(out));
  }

  /** What all of a matrix's take. */
  static long bytes(Matrix matrix) {
    return 2L * Kernels.panels(matrix.out()) * Kernels.PANEL * matrix.in();
  }

  /** The panel that begins with a row. */
  int[] panel(Matrix matrix, int row, Kernels kernels, ThreadBuffers buffers) {
    int index = row / Kernels.PANEL;
    int[] panel = panels.get(index);
    if (panel == null) {
      panel = decoded(matrix, row, kernels, buffers);
      panels.set(index, panel);
    }
    return panel;
  }

  private static int[] decoded(Matrix matrix, int row, Kernels kernels, ThreadBuffers buffers) {
    int in = matrix.in();
    int[] pairs = new int[in / 2 * Kernels.PANEL];
    matrix.read(row, Math.min(Kernels.PANEL, matrix.out() - row), buffers);
    for (int from = 0; from < in; from += Kernels.DEPTH) {
      int depth = Math.min(Kernels.DEPTH, in - from);
      matrix.decode(from, from + depth, kernels, buffers);
      kernels.pack(buffers.panel(), depth, pairs, from / 2 * Kernels.PANEL);
    }
    return pairs;
  }
}
