package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.HostMemory;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Ops.Nf4Piece;
import org.sparkfinetune.engine.tensor.Ops.Nf4Tables;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.model.quant.Nf4Codec.Nf4Lookup;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * Copies bytes to the device as they are stored, a quarter of bfloat16's under NF4, and decodes
 * them there.
 */
final class DeviceDecoder implements WeightDecoder {
  /** Bytes copied at a time by one thread. */
  private static final int CHUNK = 4 << 20;

  private final Ops ops;
  private final HostMemory hostMemory;
  private final Workers workers;

  DeviceDecoder(Ops ops, Workers workers) {
    this.ops = ops;
    this.hostMemory = ops.hostMemory();
    this.workers = workers;
  }

  @Override
  public void decode(
      FrozenLayout layout, List<ByteBuffer> slices, Function<NamedShape, Tensor> target) {
    try (Scope scope = ops.torch().scope()) {
      List<Tensor> staged = staged(scope, slices);
      hostMemory.catchUp();
      Nf4Tables tables = tables(scope);
      for (int rank = 0; rank < slices.size(); rank++) {
        decode(scope, layout, rank, hostMemory.toDevice(staged.get(rank)), tables, target);
      }
    }
  }

  private void decode(
      Scope scope,
      FrozenLayout layout,
      int rank,
      Tensor slice,
      Nf4Tables tables,
      Function<NamedShape, Tensor> target) {
    for (FrozenLayout.QuantizedPiece piece : layout.quantizedPieces(rank)) {
      Tensor out = target.apply(piece.tensor());
      ops.onDevice().decodeNf4(scope, out, piece(layout, rank, slice, piece), tables);
    }
    for (FrozenLayout.PlainPiece piece : layout.plainPieces(rank)) {
      Tensor out = target.apply(piece.tensor());
      long at = layout.plainAt(rank, piece);
      ElementType type = layout.plainType().element();
      ops.onDevice().decodePlain(scope, out, piece.firstElement(), piece.count(), slice, at, type);
    }
  }

  /** While the device is still busy with what came before. */
  private List<Tensor> staged(Scope scope, List<ByteBuffer> slices) {
    List<Tensor> staged = new ArrayList<>();
    List<Runnable> copies = new ArrayList<>();
    for (ByteBuffer slice : slices) {
      int size = slice.remaining();
      Tensor host = hostMemory.empty(scope, ElementType.UINT8, size);
      ByteBuffer to = host.bytes();
      staged.add(host);
      for (int at = 0; at < size; at += CHUNK) {
        int from = at;
        int count = Math.min(CHUNK, size - at);
        copies.add(() -> to.put(from, slice, slice.position() + from, count));
      }
    }
    workers.run(copies);
    return staged;
  }

  private static Nf4Piece piece(
      FrozenLayout layout, int rank, Tensor slice, FrozenLayout.QuantizedPiece piece) {
    return new Nf4Piece(
        slice,
        piece.sliceBlock() * FrozenLayout.CODES_PER_BLOCK,
        layout.absmaxAt(rank) + piece.sliceBlock(),
        layout.constantsAt(rank) + piece.constantsAt(),
        piece.blocks(),
        piece.firstBlock() % FrozenLayout.NESTED_BLOCK,
        piece.firstBlock() * FrozenLayout.BLOCK,
        piece.weights());
  }

  private Nf4Tables tables(Scope scope) {
    return new Nf4Tables(
        ops.ofFloats(scope, Nf4Lookup.pairs(), Nf4Lookup.BYTES, 2),
        ops.ofFloats(scope, Nf4Lookup.absmax(), Nf4Lookup.BYTES));
  }

  @Override
  public void plain(PlainType type, List<PlainRun> runs, Tensor out) {
    long end = runs.stream().mapToLong(run -> run.to() + run.count()).max().orElse(0);
    try (Scope scope = ops.torch().scope()) {
      Tensor host = hostMemory.empty(scope, ElementType.UINT8, end * type.bytes());
      ByteBuffer to = host.bytes();
      for (PlainRun run : runs) {
        ByteBuffer bytes = run.bytes();
        int at = Math.toIntExact(run.to() * type.bytes());
        to.put(at, bytes, bytes.position(), run.count() * type.bytes());
      }
      hostMemory.catchUp();
      ops.onDevice().decodePlain(scope, out, 0, end, hostMemory.toDevice(host), 0, type.element());
    }
  }
}
