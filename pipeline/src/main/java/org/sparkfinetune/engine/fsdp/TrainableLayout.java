package org.sparkfinetune.engine.fsdp;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.engine.fsdp.ShardPlan.EvenSplit;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * The flat float32 parameter of a group's trainable tensors: one after the other, each begun at a
 * multiple of a unit, padded so that every rank's slice has the same length, a multiple of it too.
 * So no unit of a tensor lies on two ranks.
 */
public final class TrainableLayout {
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final EvenSplit split;
  private final int unit;

  /**
   * @param unit elements
   */
  public TrainableLayout(List<NamedShape> tensors, int ranks, int unit) {
    long at = 0;
    for (NamedShape tensor : tensors) {
      entries.put(tensor.name(), new Entry(tensor, at));
      at = FrozenLayout.align(at + tensor.elements(), unit);
    }
    this.split = new EvenSplit(at / unit, ranks);
    this.unit = unit;
  }

  /** A tensor and its first element in the flat parameter. */
  public record Entry(NamedShape tensor, long at) {}

  /**
   * The part of a tensor that lies in a slice.
   *
   * @param firstElement in the tensor
   * @param sliceElement in the slice
   */
  public record Piece(NamedShape tensor, long firstElement, long count, long sliceElement) {}

  public Iterable<Entry> entries() {
    return entries.values();
  }

  public boolean isEmpty() {
    return entries.isEmpty();
  }

  public Entry entry(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new IllegalArgumentException("no trainable tensor " + name);
    }
    return entry;
  }

  public boolean contains(String name) {
    return entries.containsKey(name);
  }

  int ranks() {
    return split.ranks();
  }

  /** Elements of every rank's slice. */
  public long sliceElements() {
    return split.perRank() * unit;
  }

  /** Elements of the flat parameter, padding included. */
  long flatElements() {
    return sliceElements() * split.ranks();
  }

  /** Trainable elements, padding left out. */
  public long elements() {
    return entries.values().stream().mapToLong(entry -> entry.tensor().elements()).sum();
  }

  public List<Piece> pieces(int rank) {
    List<Piece> pieces = new ArrayList<>();
    long begin = rank * sliceElements();
    for (Entry entry : entries.values()) {
      long from = Math.max(entry.at(), begin);
      long to = Math.min(entry.at() + entry.tensor().elements(), begin + sliceElements());
      if (from < to) {
        pieces.add(new Piece(entry.tensor(), from - entry.at(), to - from, from - begin));
      }
    }
    return pieces;
  }
}
