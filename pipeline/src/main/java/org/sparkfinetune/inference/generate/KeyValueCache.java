package org.sparkfinetune.inference.generate;

import java.util.Arrays;
import org.sparkfinetune.model.family.DecoderConfig;

/**
 * Keys and values of one sequence in float32, in the panels that {@link Kernels#product} takes. Of
 * a layer's keys, PANEL positions are a panel's rows: (blocks of positions, kvHeads, headDim,
 * PANEL). Of its values, PANEL elements of a head are: (kvHeads, panels of headDim, positions,
 * PANEL).
 */
final class KeyValueCache implements Decoder.Sequence {
  private static final int PANEL = Kernels.PANEL;

  /** Positions by which it grows: every time all is copied. */
  private static final int LEAST_GROWTH = 2 * PANEL;

  private final int heads;
  private final int headDim;
  private final int panels;
  private final float[][] keys;
  private final float[][] values;
  private int capacity;
  private int length;

  KeyValueCache(DecoderConfig config) {
    this(config.numHiddenLayers(), config.numKeyValueHeads(), config.headDim());
  }

  private KeyValueCache(int layers, int heads, int headDim) {
    this.heads = heads;
    this.headDim = headDim;
    this.panels = Kernels.panels(headDim);
    this.keys = new float[layers][0];
    this.values = new float[layers][0];
  }

  /** Of a position. */
  static long bytes(DecoderConfig config) {
    long keysAndValues = config.headDim() + (long) Kernels.panels(config.headDim()) * Kernels.PANEL;
    return config.numHiddenLayers() * config.numKeyValueHeads() * keysAndValues * Float.BYTES;
  }

  @Override
  public void beginAs(Decoder.Sequence sequence, int positions) {
    KeyValueCache other = (KeyValueCache) sequence;
    for (int layer = 0; layer < keys.length; layer++) {
      keys[layer] = other.keys[layer];
      values[layer] = other.values[layer];
    }
    capacity = other.capacity;
    resize(Kernels.panels(positions) * PANEL);
    length = positions;
  }

  @Override
  public void rewind(int positions) {
    length = positions;
  }

  @Override
  public void close() {
    Arrays.fill(keys, new float[0]);
    Arrays.fill(values, new float[0]);
    capacity = 0;
    length = 0;
  }

  @Override
  public int length() {
    return length;
  }

  float[] keys(int layer) {
    return keys[layer];
  }

  /** Where a head's panel of keys begins. */
  int keysAt(int block, int head) {
    return (block * heads + head) * headDim * PANEL;
  }

  float[] values(int layer) {
    return values[layer];
  }

  /** Where a position begins in a head's panel of values. */
  int valuesAt(int head, int panel, int position) {
    return ((head * panels + panel) * capacity + position) * PANEL;
  }

  /** Makes room for more positions; they may then be put by several threads. */
  void reserve(int more) {
    if (length + more > capacity) {
      int whole = Kernels.panels(length + more) * PANEL;
      int growth = Math.max(LEAST_GROWTH, capacity / 4 / PANEL * PANEL);
      resize(Math.max(whole, capacity + growth));
    }
  }

  /**
   * @param key of all heads, from {@code from} on
   */
  void put(int layer, int position, float[] key, float[] value, int from) {
    int keysTo = keysAt(position / PANEL, 0) + position % PANEL;
    for (int i = 0; i < heads * headDim; i++) {
      keys[layer][keysTo + i * PANEL] = key[from + i];
    }
    for (int head = 0; head < heads; head++) {
      for (int i = 0; i < headDim; i += PANEL) {
        int to = valuesAt(head, i / PANEL, position);
        int count = Math.min(PANEL, headDim - i);
        System.arraycopy(value, from + head * headDim + i, values[layer], to, count);
      }
    }
  }

  private void resize(int positions) {
    int kept = Math.min(positions, capacity) * PANEL;
    for (int layer = 0; layer < keys.length; layer++) {
      keys[layer] = Arrays.copyOf(keys[layer], heads * headDim * positions);
      float[] old = values[layer];
      values[layer] = new float[heads * panels * positions * PANEL];
      for (int panel = 0; panel < heads * panels; panel++) {
        int from = panel * capacity * PANEL;
        System.arraycopy(old, from, values[layer], panel * positions * PANEL, kept);
      }
    }
    capacity = positions;
  }

  void advance(int positions) {
    length += positions;
  }
}
