package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.OptionalLong;
import org.sparkfinetune.engine.tensor.DecodingOps;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.inference.generate.Decoder.Sequence;
import org.sparkfinetune.model.family.DecoderConfig;

/**
 * Keys and values on a device, (slots, K, positions, D) of each layer: a sequence has a slot. They
 * grow when slots or positions do not suffice. Slots are rounded up to a power of two, positions to
 * a multiple of 256, because libraries keep a kernel for each size.
 */
final class SlotCache {
  private static final int POSITIONS = 256;

  /** Rounding adds at most one part in so many to long caches. */
  private static final int SIZES_AN_OCTAVE = 16;

  /** Of the memory that is left, what keys and values may have: growing takes some of a layer's. */
  private static final double SHARE = 0.8;

  private final Ops ops;
  private final DecodingOps decoding;
  private final Scope scope;
  private final DecoderConfig config;
  private final ElementType type;
  private final OptionalLong free;
  private final BitSet used = new BitSet();
  private List<Tensor> keys = List.of();
  private List<Tensor> values = List.of();
  private int slots;
  private int room;

  /**
   * @param free bytes that the device has for it, if they are known
   */
  SlotCache(Ops ops, Scope scope, DecoderConfig config, ElementType type, OptionalLong free) {
    this.ops = ops;
    this.decoding = ops.decoding();
    this.scope = scope;
    this.config = config;
    this.type = type;
    this.free = free;
  }

  static Slot slot(Sequence sequence) {
    return (Slot) sequence;
  }

  Tensor keys(int layer) {
    return keys.get(layer);
  }

  Tensor values(int layer) {
    return values.get(layer);
  }

  /** Positions of each slot. */
  int room() {
    return room;
  }

  /** Slots and positions that are there stay until no sequence is left. */
  boolean hasRoom(int[] limits) {
    int longest = Arrays.stream(limits).max().orElse(0);
    double tokens =
        (double) Math.max(slots, slots(Math.max(used.length(), limits.length)))
            * Math.max(room, positions(longest));
    double bytes = tokens * DeviceFit.cacheBytes(config, type);
    return free.isEmpty() || bytes < SHARE * free.getAsLong();
  }

  static int slots(int sequences) {
    return sequences <= 1 ? 1 : Integer.highestOneBit(2 * sequences - 1);
  }

  static int positions(int tokens) {
    int unit = Math.max(POSITIONS, Integer.highestOneBit(tokens) / SIZES_AN_OCTAVE);
    return (tokens + unit - 1) / unit * unit;
  }

  Sequence begin() {
    Slot slot = new Slot(used.nextClearBit(0));
    used.set(slot.index);
    return slot;
  }

  final class Slot implements Sequence {
    private final int index;
    private int length;

    Slot(int index) {
      this.index = index;
    }

    /** Among all slots. */
    int index() {
      return index;
    }

    /** So many positions more have been written. */
    void read(int tokens) {
      length += tokens;
    }

    @Override
    public int length() {
      return length;
    }

    @Override
    public void rewind(int positions) {
      length = positions;
    }

    @Override
    public void beginAs(Sequence other, int positions) {
      reserve(positions);
      Slot from = (Slot) other;
      decoding.copyBeginning(keys, from.index, index, positions);
      decoding.copyBeginning(values, from.index, index, positions);
      length = positions;
    }

    @Override
    public void close() {
      used.clear(index);
      if (used.isEmpty()) {
        keys.forEach(Tensor::close);
        values.forEach(Tensor::close);
        keys = List.of();
        values = List.of();
        slots = 0;
        room = 0;
      }
    }
  }

  /** Makes room for so many positions of every slot that is in use. */
  void reserve(int length) {
    int moreSlots = Math.max(slots, slots(used.length()));
    int moreRoom = Math.max(room, positions(length));
    if (moreSlots == slots && moreRoom == room) {
      return;
    }
    keys = grown(keys, moreSlots, moreRoom);
    values = grown(values, moreSlots, moreRoom);
    slots = moreSlots;
    room = moreRoom;
  }

  private List<Tensor> grown(List<Tensor> caches, int moreSlots, int moreRoom) {
    List<Tensor> grown = new ArrayList<>();
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      if (caches.isEmpty()) {
        grown.add(
            ops.zeros(
                scope, type, moreSlots, config.numKeyValueHeads(), moreRoom, config.headDim()));
      } else {
        try (Tensor old = caches.get(layer)) {
          grown.add(decoding.grown(scope, old, moreSlots, moreRoom));
        }
      }
    }
    return grown;
  }
}
