package org.sparkfinetune.engine.tensor;

import static org.sparkfinetune.engine.tensor.Torch.value;

import ai.djl.pytorch.jni.IValue;
import java.util.List;
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
        .kernels()
        .ifPresentOrElse(
            kernels -> kernels.decodeNf4(out, piece, tables),
            () -> decodeByScript(scope, out, piece, tables));
  }

  /** What kernels are tested against. */
  void decodeByScript(Scope scope, Tensor out, Nf4Piece piece, Nf4Tables tables) {
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
   * The weights of two bytes, (65536, 4), as {@link Nf4Tables} has them.
   *
   * @param pairs (256, 2) float32, the two weights of a byte
   */
  public Tensor nf4Quads(Scope scope, Tensor pairs) {
    return torch.tensor(scope, "nf4_quads", value(pairs));
  }

  /**
   * Masks of dropout for rows that lie one after the other from element 0 on; what is behind them
   * becomes 0.
   *
   * <p>Where host code's masks have to be met to the last bit, or kernels of our own make the same,
   * each element is a hash of its number within the row under the row's key. Operators need 170
   * bytes of traffic an element for that; on a GPU without kernels its generator is used, seeded
   * with the row's key. In both ways a row's mask depends on key and length alone.
   */
  public void dropoutMask(Scope scope, Tensor mask, List<DropoutRow> rows, DropoutChance chance) {
    if (torch.kernels().isEmpty() && torch.device() instanceof ComputeDevice.Cuda) {
      seededMask(scope, mask, rows, chance);
      return;
    }
    DropoutRow last = rows.get(rows.size() - 1);
    torch
        .tensor(scope, "zero_rows", flat(scope, mask), IValue.from(last.from() + last.count()))
        .close();
    for (DropoutRow row : rows) {
      torch
          .kernels()
          .ifPresentOrElse(
              kernels -> kernels.dropoutMask(mask, row, chance),
              () -> maskByScript(scope, mask, row, chance));
    }
  }

  private IValue flat(Scope scope, Tensor x) {
    return value(torch.tensor(scope, "flat", value(x)));
  }

  /** What kernels are tested against. */
  void maskByScript(Scope scope, Tensor mask, DropoutRow row, DropoutChance chance) {
    torch
        .tensor(
            scope,
            "dropout_mask",
            value(mask),
            IValue.from(row.from()),
            IValue.from(row.count()),
            IValue.from((long) row.low()),
            IValue.from((long) row.high()),
            IValue.from((long) chance.threshold()),
            IValue.from((double) chance.keep()))
        .close();
  }

  /** By the generator of libtorch's device. */
  public void seededMask(Scope scope, Tensor mask, List<DropoutRow> rows, DropoutChance chance) {
    torch
        .tensor(
            scope,
            "seeded_dropout_mask",
            value(mask),
            IValue.listFrom(rows.stream().mapToLong(DropoutRow::from).toArray()),
            IValue.listFrom(rows.stream().mapToLong(DropoutRow::count).toArray()),
            IValue.listFrom(rows.stream().mapToLong(DropoutRow::key).toArray()),
            IValue.from(1 - chance.p()),
            IValue.from((double) chance.keep()))
        .close();
  }

  /**
   * A row's elements of a mask.
   *
   * @param from the row's first element in the mask
   */
  public record DropoutRow(long from, long count, long key) {
    /** Half of the key, added to a counter. */
    int low() {
      return (int) key;
    }

    /** Half of the key, for an exclusive or. */
    int high() {
      return (int) (key >>> 32);
    }
  }

  /**
   * How often elements are dropped.
   *
   * @param threshold an element is kept if the upper 24 bits of its hash reach it
   * @param keep what kept elements are multiplied with
   */
  public record DropoutChance(double p, int threshold, float keep) {}
}
