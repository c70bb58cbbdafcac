package org.sparkfinetune.inference.generate;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Adds products of two vectors of rows of a float32 panel with four columns and with one. Written
 * out because the JIT keeps only local variables in registers.
 */
final class FloatTiles {
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = FLOATS.length();
  private static final int PANEL = Kernels.PANEL;

  private FloatTiles() {}

  static void columns4(
      float[] w,
      int at,
      int depth,
      float[] x,
      int x0,
      int xStride,
      float[] y,
      int yAt,
      int yStride) {
    int x1 = x0 + xStride;
    int x2 = x1 + xStride;
    int x3 = x2 + xStride;
    int y1 = yAt + yStride;
    int y2 = y1 + yStride;
    int y3 = y2 + yStride;
    FloatVector low0 = FloatVector.fromArray(FLOATS, y, yAt);
    FloatVector high0 = FloatVector.fromArray(FLOATS, y, yAt + LANES);
    FloatVector low1 = FloatVector.fromArray(FLOATS, y, y1);
    FloatVector high1 = FloatVector.fromArray(FLOATS, y, y1 + LANES);
    FloatVector low2 = FloatVector.fromArray(FLOATS, y, y2);
    FloatVector high2 = FloatVector.fromArray(FLOATS, y, y2 + LANES);
    FloatVector low3 = FloatVector.fromArray(FLOATS, y, y3);
    FloatVector high3 = FloatVector.fromArray(FLOATS, y, y3 + LANES);
    for (int k = 0; k < depth; k++) {
      FloatVector low = FloatVector.fromArray(FLOATS, w, at + k * PANEL);
      FloatVector high = FloatVector.fromArray(FLOATS, w, at + k * PANEL + LANES);
      FloatVector factor = FloatVector.broadcast(FLOATS, x[x0 + k]);
      low0 = low.fma(factor, low0);
      high0 = high.fma(factor, high0);
      factor = FloatVector.broadcast(FLOATS, x[x1 + k]);
      low1 = low.fma(factor, low1);
      high1 = high.fma(factor, high1);
      factor = FloatVector.broadcast(FLOATS, x[x2 + k]);
      low2 = low.fma(factor, low2);
      high2 = high.fma(factor, high2);
      factor = FloatVector.broadcast(FLOATS, x[x3 + k]);
      low3 = low.fma(factor, low3);
      high3 = high.fma(factor, high3);
    }
    low0.intoArray(y, yAt);
    high0.intoArray(y, yAt + LANES);
    low1.intoArray(y, y1);
    high1.intoArray(y, y1 + LANES);
    low2.intoArray(y, y2);
    high2.intoArray(y, y2 + LANES);
    low3.intoArray(y, y3);
    high3.intoArray(y, y3 + LANES);
  }

  static void column(float[] w, int at, int depth, float[] x, int xAt, float[] y, int yAt) {
    FloatVector low = FloatVector.fromArray(FLOATS, y, yAt);
    FloatVector high = FloatVector.fromArray(FLOATS, y, yAt + LANES);
    for (int k = 0; k < depth; k++) {
      FloatVector factor = FloatVector.broadcast(FLOATS, x[xAt + k]);
      low = FloatVector.fromArray(FLOATS, w, at + k * PANEL).fma(factor, low);
      high = FloatVector.fromArray(FLOATS, w, at + k * PANEL + LANES).fma(factor, high);
    }
    low.intoArray(y, yAt);
    high.intoArray(y, yAt + LANES);
  }
}
