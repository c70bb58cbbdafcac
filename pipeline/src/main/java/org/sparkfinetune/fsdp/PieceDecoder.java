package org.sparkfinetune.fsdp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.sparkfinetune.quant.DoubleQuantization;
import org.sparkfinetune.quant.Nf4Codec;
import org.sparkfinetune.tensor.ElementType;

/** Decodes the blocks of one tensor that lie in one rank's slice. */
final class PieceDecoder {
  private final FrozenLayout layout;
  private final int rank;
  private final ByteBuffer slice;
  private final FrozenLayout.QuantizedPiece piece;
  private final Nf4Codec codec;
  private final float offset;
  private final float[] nestedAbsmax;

  PieceDecoder(
      FrozenLayout layout,
      int rank,
      ByteBuffer slice,
      FrozenLayout.QuantizedPiece piece,
      Nf4Codec codec) {
    this.layout = layout;
    this.rank = rank;
    this.slice = slice;
    this.piece = piece;
    this.codec = codec;
    ByteBuffer constants = slice.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    constants.position(
        Math.toIntExact(slice.position() + layout.constantsAt(rank) + piece.constantsAt()));
    this.offset = constants.getFloat();
    this.nestedAbsmax = new float[piece.nestedCount()];
    constants.asFloatBuffer().get(nestedAbsmax);
  }

  int blocks() {
    return piece.blocks();
  }

  /** Blocks {@code [first, first + count)} of the piece to their place in the tensor's memory. */
  void decode(int first, int count, ElementType type, ByteBuffer out) {
    byte[] codes = new byte[count];
    int start = slice.position();
    long inSlice = piece.sliceBlock() + first;
    slice.get(Math.toIntExact(start + layout.absmaxAt(rank) + inSlice), codes);
    float[] absmax = new float[count];
    long block = piece.firstBlock() + first;
    DoubleQuantization.decode(
        codes, 0, count, nestedAbsmax, piece.firstNested(), block, offset, absmax);
    int weights =
        Math.min(count * FrozenLayout.BLOCK, piece.weights() - first * FrozenLayout.BLOCK);
    int from = Math.toIntExact(start + inSlice * FrozenLayout.CODES_PER_BLOCK);
    int to = Math.toIntExact(block * FrozenLayout.BLOCK * type.bytes());
    if (type == ElementType.BFLOAT16) {
      codec.decodeToBf16(slice, from, absmax, 0, weights, out, to);
    } else {
      codec.decodeToFloat32(slice, from, absmax, 0, weights, out, to);
    }
  }
}
