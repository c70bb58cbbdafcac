package org.sparkfinetune.inference.generate;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Products of one row, or of four, of float32 weights with a column; each row's sum is the same.
 */
final class FloatTiles {
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = FLOATS.length();

  private FloatTiles() {}

  static void rows4x1(float[] w, int at, int in, float[] x, int xAt, float[] y, int yAt) {
    int at1 = at + in;
    int at2 = at1 + in;
    int at3 = at2 + in;
    FloatVector s0 = FloatVector.zero(FLOATS);
    FloatVector s1 = FloatVector.zero(FLOATS);
    FloatVector s2 = FloatVector.zero(FLOATS);
    FloatVector s3 = FloatVector.zero(FLOATS);
    int i = 0;
    for (; i <= in - LANES; i += LANES) {
      FloatVector v = FloatVector.fromArray(FLOATS, x, xAt + i);
      s0 = FloatVector.fromArray(FLOATS, w, at + i).fma(v, s0);
      s1 = FloatVector.fromArray(FLOATS, w, at1 + i).fma(v, s1);
      s2 = FloatVector.fromArray(FLOATS, w, at2 + i).fma(v, s2);
      s3 = FloatVector.fromArray(FLOATS, w, at3 + i).fma(v, s3);
    }
    y[yAt] = rest(s0, w, at, i, in, x, xAt);
    y[yAt + 1] = rest(s1, w, at1, i, in, x, xAt);
    y[yAt + 2] = rest(s2, w, at2, i, in, x, xAt);
    y[yAt + 3] = rest(s3, w, at3, i, in, x, xAt);
  }

  private static float rest(
      FloatVector sums, float[] w, int at, int from, int in, float[] x, int xAt) {
    float sum = sums.reduceLanes(VectorOperators.ADD);
    for (int i = from; i < in; i++) {
      sum += w[at + i] * x[xAt + i];
    }
    return sum;
  }

  static float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    FloatVector sums = FloatVector.zero(FLOATS);
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      sums =
          FloatVector.fromArray(FLOATS, a, aAt + i)
              .fma(FloatVector.fromArray(FLOATS, b, bAt + i), sums);
    }
    return rest(sums, a, aAt, i, n, b, bAt);
  }
}
