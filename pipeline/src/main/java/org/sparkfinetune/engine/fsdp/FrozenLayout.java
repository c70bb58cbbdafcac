package org.sparkfinetune.engine.fsdp;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.engine.fsdp.ShardPlan.EvenSplit;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * Where the frozen weights of one group lie in the ranks' slices. Quantised tensors follow each
 * other in blocks of 64 weights and plain ones in elements; both sequences are split evenly. A
 * rank's slice is, in bytes:
 *
 * <pre>
 *   codes      32 a block
 *   absmax      1 a block (its nested code)
 *   constants   for each tensor piece: offset, then the nested absmax values it touches; float32
 *   plain       elements of {@link PlainType}
 * </pre>
 *
 * <p>A nested block (256 blocks) that is cut keeps its constant on both sides, so that a slice can
 * be decoded by itself. All arithmetic is on sizes alone: any rank knows any other's layout. A rank
 * is here its place among those of {@link ShardRanks}.
 */
public final class FrozenLayout {
  public static final int BLOCK = Nf4Codec.BLOCK;
  public static final int NESTED_BLOCK = NestedAbsmax.GROUP;
  static final int CODES_PER_BLOCK = Nf4Codec.BLOCK_BYTES;

  private final List<NamedShape> quantized;
  private final List<NamedShape> plain;
  private final PlainType plainType;
  private final EvenSplit blocks;
  private final EvenSplit elements;

  public FrozenLayout(
      List<NamedShape> quantized, List<NamedShape> plain, PlainType plainType, int ranks) {
    this.quantized = List.copyOf(quantized);
    this.plain = List.copyOf(plain);
    this.plainType = plainType;
    this.blocks = new EvenSplit(quantized.stream().mapToLong(FrozenLayout::blocks).sum(), ranks);
    this.elements = new EvenSplit(plain.stream().mapToLong(NamedShape::elements).sum(), ranks);
  }

  /** The same tensors, split between another number of ranks. */
  FrozenLayout between(int ranks) {
    return new FrozenLayout(quantized, plain, plainType, ranks);
  }

  /** The blocks of one tensor that lie in one rank's slice. */
  record QuantizedPiece(
      NamedShape tensor, long firstBlock, int blocks, long sliceBlock, long constantsAt) {
    long firstNested() {
      return firstBlock / NESTED_BLOCK;
    }

    int nestedCount() {
      return (int) ((firstBlock + blocks - 1) / NESTED_BLOCK - firstNested() + 1);
    }

    /** Weights in it: the tensor's last block may be short. */
    int weights() {
      return (int)
          (Math.min(tensor.elements(), (firstBlock + blocks) * BLOCK) - firstBlock * BLOCK);
    }
  }

  /** The elements of one plain tensor that lie in one rank's slice. */
  record PlainPiece(NamedShape tensor, long firstElement, long count, long sliceElement) {}

  static long blocks(NamedShape tensor) {
    return (tensor.elements() + BLOCK - 1) / BLOCK;
  }

  int ranks() {
    return blocks.ranks();
  }

  List<NamedShape> quantized() {
    return quantized;
  }

  List<NamedShape> plain() {
    return plain;
  }

  PlainType plainType() {
    return plainType;
  }

  List<QuantizedPiece> quantizedPieces(int rank) {
    List<QuantizedPiece> pieces = new ArrayList<>();
    long first = 0;
    long constantsAt = 0;
    for (NamedShape tensor : quantized) {
      long count = blocks(tensor);
      long from = Math.max(first, blocks.begin(rank));
      long to = Math.min(first + count, blocks.end(rank));
      if (from < to) {
        QuantizedPiece piece =
            new QuantizedPiece(
                tensor,
                from - first,
                Math.toIntExact(to - from),
                from - blocks.begin(rank),
                constantsAt);
        pieces.add(piece);
        constantsAt += Float.BYTES * (1L + piece.nestedCount());
      }
      first += count;
    }
    return pieces;
  }

  List<PlainPiece> plainPieces(int rank) {
    List<PlainPiece> pieces = new ArrayList<>();
    long first = 0;
    for (NamedShape tensor : plain) {
      long from = Math.max(first, elements.begin(rank));
      long to = Math.min(first + tensor.elements(), elements.end(rank));
      if (from < to) {
        pieces.add(new PlainPiece(tensor, from - first, to - from, from - elements.begin(rank)));
      }
      first += tensor.elements();
    }
    return pieces;
  }

  /** The rank and the place in its slice of an element of a plain tensor. */
  PlainPlace place(NamedShape tensor, long element) {
    long at = element;
    for (NamedShape before : plain) {
      if (before.equals(tensor)) {
        break;
      }
      at += before.elements();
    }
    int rank = elements.owner(at);
    return new PlainPlace(
        rank,
        plainAt(rank) + (at - elements.begin(rank)) * plainType.bytes(),
        elements.end(rank) - at);
  }

  /**
   * @param rank whose slice it is in
   * @param byteAt in that slice
   * @param left elements from there to the end of the slice
   */
  record PlainPlace(int rank, long byteAt, long left) {}

  long blockCount(int rank) {
    return blocks.count(rank);
  }

  long absmaxAt(int rank) {
    return blocks.count(rank) * CODES_PER_BLOCK;
  }

  long constantsAt(int rank) {
    return align(absmaxAt(rank) + blocks.count(rank), Float.BYTES);
  }

  long plainAt(int rank) {
    long constants =
        quantizedPieces(rank).stream().mapToLong(p -> Float.BYTES * (1L + p.nestedCount())).sum();
    return align(constantsAt(rank) + constants, BLOCK);
  }

  /** First byte of a piece in its rank's slice. */
  long plainAt(int rank, PlainPiece piece) {
    return plainAt(rank) + piece.sliceElement() * plainType.bytes();
  }

  /** Bytes of a rank's slice. */
  public long sliceBytes(int rank) {
    return plainAt(rank) + elements.count(rank) * plainType.bytes();
  }

  static long align(long bytes, long to) {
    return (bytes + to - 1) / to * to;
  }
}
