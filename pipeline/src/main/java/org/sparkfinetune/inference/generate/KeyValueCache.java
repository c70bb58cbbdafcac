package org.sparkfinetune.inference.generate;

import java.util.Arrays;
import org.sparkfinetune.model.family.DecoderConfig;

/** Keys and values of one sequence, for each layer (positions, kvHeads * headDim) in float32. */
final class KeyValueCache {
  private static final int FIRST = 64;

  private final float[][] keys;
  private final float[][] values;
  private final int width;
  private int length;

  KeyValueCache(DecoderConfig config) {
    this.width = config.numKeyValueHeads() * config.headDim();
    this.keys = new float[config.numHiddenLayers()][FIRST * width];
    this.values = new float[config.numHiddenLayers()][FIRST * width];
  }

  /** Positions that have been computed. */
  int length() {
    return length;
  }

  float[] keys(int layer) {
    return keys[layer];
  }

  float[] values(int layer) {
    return values[layer];
  }

  void put(int layer, int position, float[] key, float[] value, int from) {
    int at = position * width;
    if (keys[layer].length < at + width) {
      int size = Math.max(2 * keys[layer].length, at + width);
      keys[layer] = Arrays.copyOf(keys[layer], size);
      values[layer] = Arrays.copyOf(values[layer], size);
    }
    System.arraycopy(key, from, keys[layer], at, width);
    System.arraycopy(value, from, values[layer], at, width);
  }

  void advance(int positions) {
    length += positions;
  }
}
