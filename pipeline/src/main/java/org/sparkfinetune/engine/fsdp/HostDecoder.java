package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Decodes straight into tensors' own memory, on all threads of the rank. */
final class HostDecoder implements WeightDecoder {
  /** Blocks decoded at a time by one thread: 1 MiB of float32 weights. */
  private static final int CHUNK = 4096;

  /** Plain elements decoded at a time by one thread. */
  private static final int PLAIN_CHUNK = 1 << 18;

  private final Nf4Codec codec;
  private final Workers workers;

  HostDecoder(Nf4Codec codec, Workers workers) {
    this.codec = codec;
    this.workers = workers;
  }

  @Override
  public void decode(
      FrozenLayout layout, List<ByteBuffer> slices, Function<NamedShape, Tensor> target) {
    List<Runnable> tasks = new ArrayList<>();
    for (int rank = 0; rank < slices.size(); rank++) {
      ByteBuffer slice = slices.get(rank).duplicate().order(ByteOrder.LITTLE_ENDIAN);
      for (FrozenLayout.QuantizedPiece piece : layout.quantizedPieces(rank)) {
        addTasks(
            tasks,
            new PieceDecoder(layout, rank, slice, piece, codec),
            target.apply(piece.tensor()));
      }
      for (FrozenLayout.PlainPiece piece : layout.plainPieces(rank)) {
        tasks.add(plain(layout, rank, slice, piece, target.apply(piece.tensor())));
      }
    }
    workers.run(tasks);
  }

  private static void addTasks(List<Runnable> tasks, PieceDecoder decoder, Tensor to) {
    ByteBuffer out = to.bytes();
    ElementType type = to.type();
    for (int block = 0; block < decoder.blocks(); block += CHUNK) {
      int first = block;
      int count = Math.min(CHUNK, decoder.blocks() - first);
      tasks.add(() -> decoder.decode(first, count, type, out));
    }
  }

  private static Runnable plain(
      FrozenLayout layout, int rank, ByteBuffer slice, FrozenLayout.PlainPiece piece, Tensor to) {
    int at = Math.toIntExact(layout.plainAt(rank, piece));
    int count = Math.toIntExact(piece.count());
    return () -> PlainValues.decode(layout.plainType(), slice, at, count, to, piece.firstElement());
  }

  @Override
  public void plain(PlainType type, List<PlainRun> runs, Tensor out) {
    List<Runnable> tasks = new ArrayList<>();
    for (PlainRun run : runs) {
      ByteBuffer bytes = run.bytes();
      for (int done = 0; done < run.count(); done += PLAIN_CHUNK) {
        int from = bytes.position() + done * type.bytes();
        int count = Math.min(PLAIN_CHUNK, run.count() - done);
        long to = run.to() + done;
        tasks.add(() -> PlainValues.decode(type, bytes, from, count, out, to));
      }
    }
    workers.run(tasks);
  }
}
