package org.sparkfinetune.engine.tensor;

import static org.sparkfinetune.engine.tensor.Torch.value;

import ai.djl.pytorch.jni.IValue;
import org.sparkfinetune.engine.tensor.LayerInputs.DropoutCounter;
import org.sparkfinetune.engine.tensor.Ops.Nf4Piece;
import org.sparkfinetune.engine.tensor.Ops.Nf4Tables;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * What host code does in tensors' own memory on the CPU, vectorised and on threads of its own, as
 * scripts for devices whose memory it does not see. The results are the same to the last bit.
 */
public final class OnDevice {
  private final Torch torch;

  OnDevice(Torch torch) {
    this.torch = torch;
  }

  /**
   * Decodes a piece of a tensor that lies in a rank's slice, to the same bits as the codecs of
   * {@code quant}.
   *
   * @param out float32 or bfloat16
   */
  public void decodeNf4(Scope scope, Tensor out, Nf4Piece piece, Nf4Tables tables) {
    torch
        .tensor(
            scope,
            "decode_nf4",
            value(out),
            IValue.from(piece.to()),
            IValue.from(piece.weights()),
            value(piece.bytes()),
            IValue.from(piece.codesAt()),
            IValue.from(piece.absmaxAt()),
            IValue.from(piece.constantsAt()),
            IValue.from(piece.blocks()),
            IValue.from(piece.phase()),
            value(tables.quads()),
            value(tables.absmax()))
        .close();
  }

  /**
   * Numbers as they lie in bytes, into {@code out} from element {@code to} on.
   *
   * @param bytes uint8
   * @param at of the first number; a multiple of its size
   */
  public void decodePlain(
      Scope scope, Tensor out, long to, long count, Tensor bytes, long at, ElementType type) {
    torch
        .tensor(
            scope,
            "decode_plain",
            value(out),
            IValue.from(to),
            IValue.from(count),
            value(bytes),
            IValue.from(at),
            IValue.from((long) type.bytes()),
            IValue.from((long) type.code()))
        .close();
  }

  /**
   * What NF4's codes stand for.
   *
   * @param pairs (256, 2) float32, the two weights of a byte
   * @param absmax (256) float32, the values of nested codes
   */
  public Nf4Tables nf4Tables(Scope scope, Tensor pairs, Tensor absmax) {
    return new Nf4Tables(torch.tensor(scope, "nf4_quads", value(pairs)), absmax);
  }

  /** Fills elements {@code [from, from + count)} of a mask, counted from 0, as a counter says. */
  public void dropoutMask(Scope scope, Tensor mask, long from, long count, DropoutCounter counter) {
    torch
        .tensor(
            scope,
            "dropout_mask",
            value(mask),
            IValue.from(from),
            IValue.from(count),
            IValue.from((long) counter.low()),
            IValue.from((long) counter.high()),
            IValue.from((long) counter.threshold()),
            IValue.from((double) counter.keep()))
        .close();
  }
}
