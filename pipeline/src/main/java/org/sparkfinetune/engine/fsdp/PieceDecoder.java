package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;

/** Decodes the blocks of one tensor that lie in one rank's slice. */
final class PieceDecoder {
  private final FrozenLayout.QuantizedPiece piece;
  private final ByteBuffer slice;
  private final Nf4Codec codec;
  private final NestedAbsmax absmax;
  private final int codesAt;

  PieceDecoder(
      FrozenLayout layout,
      int rank,
      ByteBuffer slice,
      FrozenLayout.QuantizedPiece piece,
      Nf4Codec codec) {
    this.piece = piece;
    this.slice = slice;
    this.codec = codec;
    this.codesAt = at(slice, piece.sliceBlock() * FrozenLayout.CODES_PER_BLOCK);
    byte[] codes = new byte[piece.blocks()];
    slice.get(at(slice, layout.absmaxAt(rank) + piece.sliceBlock()), codes);
    ByteBuffer constants = slice.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    constants.position(at(slice, layout.constantsAt(rank) + piece.constantsAt()));
    float offset = constants.getFloat();
    float[] groups = new float[piece.nestedCount()];
    constants.slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(groups);
    int phase = (int) (piece.firstBlock() % NestedAbsmax.GROUP);
    this.absmax = NestedAbsmax.slice(codes, groups, offset, phase);
  }

  private static int at(ByteBuffer slice, long offset) {
    return Math.toIntExact(slice.position() + offset);
  }

  int blocks() {
    return piece.blocks();
  }

  /** Blocks {@code [first, first + count)} of the piece to their place in the tensor's memory. */
  void decode(int first, int count, ElementType type, ByteBuffer out) {
    int from = codesAt + first * FrozenLayout.CODES_PER_BLOCK;
    int done = first * FrozenLayout.BLOCK;
    int weights = Math.min(count * FrozenLayout.BLOCK, piece.weights() - done);
    long to = (piece.firstBlock() + first) * FrozenLayout.BLOCK * type.bytes();
    if (type == ElementType.BFLOAT16) {
      codec.decodeToBf16(slice, from, absmax, first, weights, out, Math.toIntExact(to));
    } else {
      codec.decodeToFloat32(slice, from, absmax, first, weights, out, Math.toIntExact(to));
    }
  }
}
