package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Ops.Nf4Piece;
import org.sparkfinetune.engine.tensor.Ops.Nf4Tables;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Uploads;
import org.sparkfinetune.engine.tensor.Uploads.Upload;
import org.sparkfinetune.model.quant.Nf4Codec.Nf4Lookup;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * Copies bytes to the device as they are stored, a quarter of bfloat16's under NF4, and decodes
 * them there; what {@link ResidentShards} hold is there already.
 */
final class DeviceDecoder implements WeightDecoder {
  /** Bytes copied at a time by one thread. */
  private static final int CHUNK = 4 << 20;

  private final Ops ops;
  private final Workers workers;
  private final Uploads uploads;
  private final ResidentShards resident;
  private final Nf4Tables tables;

  /**
   * @param scope of what stays on the device
   * @param budget bytes of frozen weights that may stay
   */
  DeviceDecoder(Ops ops, Workers workers, Scope scope, long budget) {
    this.ops = ops;
    this.workers = workers;
    this.uploads = new Uploads(ops, scope);
    this.resident = new ResidentShards(ops, scope, uploads, budget);
    this.tables =
        new Nf4Tables(
            ops.onDevice()
                .nf4Quads(scope, ops.ofFloats(scope, Nf4Lookup.pairs(), Nf4Lookup.BYTES, 2)),
            ops.ofFloats(scope, Nf4Lookup.absmax(), Nf4Lookup.BYTES));
  }

  @Override
  public boolean holds(String group) {
    return resident.holds(group);
  }

  @Override
  public boolean takes(String group, long bytes) {
    return resident.takes(group, bytes);
  }

  @Override
  public void take(String group, List<ByteBuffer> slices) {
    resident.take(group, slices);
  }

  @Override
  public long copiedBytes() {
    return uploads.bytes();
  }

  @Override
  public void decode(
      String group,
      FrozenLayout layout,
      List<ByteBuffer> slices,
      Function<NamedShape, Tensor> target) {
    if (holds(group)) {
      decode(layout, resident.slices(group), target);
      return;
    }
    List<Integer> sizes = slices.stream().map(ByteBuffer::remaining).toList();
    try (Upload upload = uploads.upload(sizes, host -> stage(slices, host))) {
      decode(layout, upload.tensors(), target);
    }
  }

  private void decode(
      FrozenLayout layout, List<Tensor> slices, Function<NamedShape, Tensor> target) {
    try (Scope scope = ops.torch().scope()) {
      for (int rank = 0; rank < slices.size(); rank++) {
        decode(scope, layout, rank, slices.get(rank), target);
      }
    }
  }

  private void decode(
      Scope scope,
      FrozenLayout layout,
      int rank,
      Tensor slice,
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
  private void stage(List<ByteBuffer> slices, List<ByteBuffer> host) {
    List<Runnable> copies = new ArrayList<>();
    for (int rank = 0; rank < slices.size(); rank++) {
      ByteBuffer slice = slices.get(rank);
      ByteBuffer to = host.get(rank);
      for (int at = 0; at < slice.remaining(); at += CHUNK) {
        int from = at;
        int count = Math.min(CHUNK, slice.remaining() - at);
        copies.add(() -> to.put(from, slice, slice.position() + from, count));
      }
    }
    workers.run(copies);
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

  @Override
  public void plain(PlainType type, List<PlainRun> runs, Tensor out) {
    long end = runs.stream().mapToLong(run -> run.to() + run.count()).max().orElse(0);
    int bytes = Math.toIntExact(end * type.bytes());
    try (Scope scope = ops.torch().scope();
        Upload upload = uploads.upload(List.of(bytes), host -> together(type, runs, host.get(0)))) {
      Tensor numbers = upload.tensors().get(0);
      ops.onDevice().decodePlain(scope, out, 0, end, numbers, 0, type.element());
    }
  }

  private static void together(PlainType type, List<PlainRun> runs, ByteBuffer to) {
    for (PlainRun run : runs) {
      ByteBuffer bytes = run.bytes();
      int at = Math.toIntExact(run.to() * type.bytes());
      to.put(at, bytes, bytes.position(), run.count() * type.bytes());
    }
  }

  @Override
  public void held(String group, FrozenLayout layout, ElementRange range, Tensor out) {
    ElementType type = layout.plainType().element();
    try (Scope scope = ops.torch().scope()) {
      long done = 0;
      while (done < range.count()) {
        FrozenLayout.PlainPlace place = layout.place(range.tensor(), range.first() + done);
        long count = Math.min(range.count() - done, place.left());
        Tensor slice = resident.slices(group).get(place.rank());
        ops.onDevice().decodePlain(scope, out, done, count, slice, place.byteAt(), type);
        done += count;
      }
    }
  }

  @Override
  public void close() {
    uploads.close();
  }
}
