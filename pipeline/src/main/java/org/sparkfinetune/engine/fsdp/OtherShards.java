package org.sparkfinetune.engine.fsdp;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.fsdp.WeightSource.QuantizedWeight;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.NamedShape;

/** A model's weights from shard files that were made for another number of ranks. */
final class OtherShards implements WeightSource, AutoCloseable {
  private final ShardPlan plan;
  private final List<FileChannel> files = new ArrayList<>();

  /** The group that a tensor is in. */
  private final Map<String, String> groups = new LinkedHashMap<>();

  private final Map<String, NamedShape> tensors = new LinkedHashMap<>();

  private OtherShards(ShardPlan plan) {
    this.plan = plan;
    plan.groups()
        .forEach(
            (group, layout) -> {
              layout.quantized().forEach(tensor -> add(group, tensor));
              layout.plain().forEach(tensor -> add(group, tensor));
            });
  }

  private void add(String group, NamedShape tensor) {
    groups.put(tensor.name(), group);
    tensors.put(tensor.name(), tensor);
  }

  /** The plan of the rank at {@code position} of {@code ranks}, for the weights of another plan. */
  static ShardPlan plan(ShardPlan plan, int position, int ranks) {
    Map<String, FrozenLayout> layouts = new LinkedHashMap<>();
    plan.groups().forEach((group, layout) -> layouts.put(group, layout.between(ranks)));
    List<Integer> all = IntStream.range(0, ranks).boxed().toList();
    return new ShardPlan(layouts, new ShardRanks(all, position));
  }

  /**
   * @param plan of the weights, whatever its ranks
   * @param files the shards, each rank's, in order
   */
  static OtherShards open(ShardPlan plan, List<Path> files) throws IOException {
    OtherShards shards = new OtherShards(plan(plan, 0, files.size()));
    try {
      for (Path file : files) {
        shards.files.add(FileChannel.open(file));
      }
    } catch (IOException e) {
      shards.close();
      throw e;
    }
    return shards;
  }

  @Override
  public void read(String name, long first, float[] out, int count) {
    FrozenLayout layout = plan.layout(group(name));
    PlainType type = layout.plainType();
    int done = 0;
    while (done < count) {
      FrozenLayout.PlainPlace place = layout.place(tensor(name), first + done);
      int part = Math.toIntExact(Math.min(count - done, place.left()));
      ByteBuffer bytes = buffer(part * type.bytes());
      read(group(name), place.rank(), place.byteAt(), bytes);
      Floats.toFloats(type.stored(), bytes.flip(), out, done, part);
      done += part;
    }
  }

  @Override
  public Optional<QuantizedWeight> quantized(String name) {
    NamedShape tensor = tensor(name);
    boolean quantized = plan.layout(group(name)).quantized().contains(tensor);
    return quantized ? Optional.of(new Sliced(tensor)) : Optional.empty();
  }

  private String group(String name) {
    return find(groups, name);
  }

  private NamedShape tensor(String name) {
    return find(tensors, name);
  }

  private static <T> T find(Map<String, T> all, String name) {
    return Optional.ofNullable(all.get(name))
        .orElseThrow(() -> new IllegalArgumentException("no frozen weight " + name));
  }

  /** Fills {@code to} from a place in a group's slice. */
  private void read(String group, int rank, long at, ByteBuffer to) {
    long position = plan.offset(group, rank) + at;
    try {
      while (to.hasRemaining()) {
        int count = files.get(rank).read(to, position);
        if (count < 0) {
          throw new IOException("the shard of rank %s ends at byte %s".formatted(rank, position));
        }
        position += count;
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  @Override
  public void close() {
    for (FileChannel file : files) {
      try {
        file.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /** A quantised tensor whose blocks lie in several slices. */
  private final class Sliced implements QuantizedWeight {
    private final String group;
    private final FrozenLayout layout;
    private final NamedShape tensor;

    Sliced(NamedShape tensor) {
      this.group = group(tensor.name());
      this.layout = plan.layout(group);
      this.tensor = tensor;
    }

    /** What to do with the blocks of the tensor in one rank's slice. */
    private interface Work {
      void accept(int rank, FrozenLayout.QuantizedPiece piece);
    }

    private void forEachPiece(Work work) {
      for (int rank = 0; rank < files.size(); rank++) {
        for (FrozenLayout.QuantizedPiece piece : layout.quantizedPieces(rank)) {
          if (piece.tensor().equals(tensor)) {
            work.accept(rank, piece);
          }
        }
      }
    }

    @Override
    public NestedAbsmax absmax() {
      int blocks = Math.toIntExact(FrozenLayout.blocks(tensor));
      ByteBuffer codes = buffer(blocks);
      float[] absmax2 = new float[(blocks + NestedAbsmax.GROUP - 1) / NestedAbsmax.GROUP];
      float[] offset = new float[1];
      forEachPiece(
          (rank, piece) -> {
            read(
                group,
                rank,
                layout.absmaxAt(rank) + piece.sliceBlock(),
                codes.slice(Math.toIntExact(piece.firstBlock()), piece.blocks()));
            ByteBuffer constants = buffer(Float.BYTES * (1 + piece.nestedCount()));
            read(group, rank, layout.constantsAt(rank) + piece.constantsAt(), constants);
            offset[0] = constants.flip().getFloat();
            constants
                .slice()
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(absmax2, Math.toIntExact(piece.firstNested()), piece.nestedCount());
          });
      return new NestedAbsmax(codes.array(), absmax2, offset[0]);
    }

    @Override
    public void readCodes(long firstBlock, int blocks, ByteBuffer to) {
      forEachPiece(
          (rank, piece) -> {
            long from = Math.max(firstBlock, piece.firstBlock());
            long end = Math.min(firstBlock + blocks, piece.firstBlock() + piece.blocks());
            if (from < end) {
              int bytes = Math.toIntExact((end - from) * Nf4Codec.BLOCK_BYTES);
              long at = piece.sliceBlock() + from - piece.firstBlock();
              read(group, rank, at * Nf4Codec.BLOCK_BYTES, to.slice(to.position(), bytes));
              to.position(to.position() + bytes);
            }
          });
    }
  }
}
