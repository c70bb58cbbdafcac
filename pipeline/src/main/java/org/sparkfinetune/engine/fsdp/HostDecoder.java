package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.Floats;
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
      String group,
      FrozenLayout layout,
      List<ByteBuffer> slices,
      Function<NamedShape, Tensor> target) {
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

  /** Decodes the blocks of one tensor that lie in one rank's slice. */
  static final class PieceDecoder {
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

  /** Frozen weights that are not quantised, to and from their bytes. */
  static final class PlainValues {
    private static final int CHUNK = 1 << 16;

    private PlainValues() {}

    /**
     * {@code count} values at byte {@code from} of {@code source} into {@code to} at {@code first}.
     */
    static void decode(
        PlainType type, ByteBuffer source, int from, int count, Tensor to, long first) {
      ElementType target = to.type();
      ByteBuffer out = to.bytes();
      int outAt = Math.toIntExact(first * target.bytes());
      if (type.bytes() == target.bytes()) {
        out.put(outAt, source, from, count * type.bytes());
        return;
      }
      if (type != PlainType.BFLOAT16) {
        throw new IllegalStateException("float32 weights are computed with in float32");
      }
      float[] part = new float[Math.min(count, CHUNK)];
      ByteBuffer bytes = source.duplicate().order(ByteOrder.LITTLE_ENDIAN);
      for (int i = 0; i < count; i += CHUNK) {
        int n = Math.min(CHUNK, count - i);
        var shorts =
            bytes.position(from + 2 * i).slice().order(ByteOrder.LITTLE_ENDIAN).asShortBuffer();
        for (int j = 0; j < n; j++) {
          part[j] = Floats.bf16ToFloat(shorts.get(j));
        }
        out.position(outAt + Float.BYTES * i)
            .slice()
            .order(ByteOrder.LITTLE_ENDIAN)
            .asFloatBuffer()
            .put(part, 0, n);
      }
    }

    static void encode(PlainType type, float[] values, int count, ByteBuffer out) {
      if (type == PlainType.FLOAT32) {
        for (int i = 0; i < count; i++) {
          out.putFloat(values[i]);
        }
      } else {
        for (int i = 0; i < count; i++) {
          out.putShort(Floats.floatToBf16(values[i]));
        }
      }
    }
  }
}
