package org.sparkfinetune.engine.fsdp;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.engine.exchange.Shard;
import org.sparkfinetune.engine.exchange.Shard.FileRange;
import org.sparkfinetune.engine.fsdp.HostDecoder.PlainValues;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.fsdp.WeightSource.QuantizedWeight;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.model.quant.NestedAbsmax;

/**
 * The shard of a model that lies on the local disk as a shard keeps it: pre-quantised linears, and
 * plain weights of the kept type. Its bytes are used where they are; only constants and what fills
 * gaps go to a small file.
 */
final class ShardInPlace implements AutoCloseable {
  /** Plain weights of more elements are not worth a copy. */
  private static final long SMALL = 1 << 20;

  private static final byte ZEROS = 0x77;

  private final ShardPlan plan;
  private final WeightSource source;
  private final int rank;
  private final Path rest;
  private final FileChannel channel;
  private final List<FileRange> ranges = new ArrayList<>();
  private long at;
  private long written;

  private ShardInPlace(ShardPlan plan, WeightSource source, Path rest) throws IOException {
    this.plan = plan;
    this.source = source;
    this.rank = plan.ranks().position();
    this.rest = rest;
    this.channel =
        FileChannel.open(
            rest,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE);
  }

  /** Whether every large weight lies on this host as it is kept. */
  static boolean isPossible(ShardPlan plan, WeightSource source) {
    return plan.groups().values().stream().allMatch(layout -> isPossible(layout, source));
  }

  private static boolean isPossible(FrozenLayout layout, WeightSource source) {
    boolean quantized =
        layout.quantized().stream()
            .allMatch(
                tensor ->
                    source.quantized(tensor.name()).flatMap(QuantizedWeight::located).isPresent());
    return quantized
        && layout.plain().stream()
            .filter(tensor -> tensor.elements() > SMALL)
            .allMatch(tensor -> source.located(tensor.name(), layout.plainType()).isPresent());
  }

  /**
   * This rank's shard.
   *
   * @param rest file for what has no place of its own
   */
  static Shard of(ShardPlan plan, WeightSource source, Path rest) {
    try (ShardInPlace shard = new ShardInPlace(plan, source, rest)) {
      for (Map.Entry<String, FrozenLayout> group : plan.groups().entrySet()) {
        shard.add(plan.offset(group.getKey(), shard.rank), group.getValue());
      }
      shard.fillTo(plan.fileBytes(), (byte) 0);
      return new Shard(shard.ranges);
    } catch (IOException e) {
      throw new RunFailure(
          "%s cannot be written: %s. Make room on the executors' local disk"
              .formatted(rest, e.getMessage()),
          e);
    }
  }

  private void add(long start, FrozenLayout layout) throws IOException {
    fillTo(start, (byte) 0);
    List<FrozenLayout.QuantizedPiece> pieces = layout.quantizedPieces(rank);
    for (FrozenLayout.QuantizedPiece piece : pieces) {
      long end = at + (long) piece.blocks() * FrozenLayout.CODES_PER_BLOCK;
      long first = piece.firstBlock() * FrozenLayout.CODES_PER_BLOCK;
      use(located(piece).codes(), first, end - at);
      fillTo(end, ZEROS);
    }
    for (FrozenLayout.QuantizedPiece piece : pieces) {
      use(located(piece).absmax(), piece.firstBlock(), piece.blocks());
    }
    fillTo(start + layout.constantsAt(rank), (byte) 0);
    for (FrozenLayout.QuantizedPiece piece : pieces) {
      append(constants(piece));
    }
    fillTo(start + layout.plainAt(rank), (byte) 0);
    for (FrozenLayout.PlainPiece piece : layout.plainPieces(rank)) {
      addPlain(layout.plainType(), piece);
    }
  }

  private QuantizedWeight.Located located(FrozenLayout.QuantizedPiece piece) {
    return source.quantized(piece.tensor().name()).flatMap(QuantizedWeight::located).orElseThrow();
  }

  private ByteBuffer constants(FrozenLayout.QuantizedPiece piece) {
    NestedAbsmax absmax = source.quantized(piece.tensor().name()).orElseThrow().absmax();
    ByteBuffer bytes = buffer(Float.BYTES * (1 + piece.nestedCount()));
    bytes.putFloat(absmax.offset());
    for (int i = 0; i < piece.nestedCount(); i++) {
      bytes.putFloat(absmax.absmax2()[(int) piece.firstNested() + i]);
    }
    return bytes.flip();
  }

  private void addPlain(PlainType type, FrozenLayout.PlainPiece piece) throws IOException {
    String name = piece.tensor().name();
    Optional<FileRange> located = source.located(name, type);
    if (located.isPresent()) {
      use(located.get(), piece.firstElement() * type.bytes(), piece.count() * type.bytes());
      return;
    }
    int count = Math.toIntExact(piece.count());
    float[] values = new float[count];
    source.read(name, piece.firstElement(), values, count);
    ByteBuffer bytes = buffer(count * type.bytes());
    PlainValues.encode(type, values, count, bytes);
    append(bytes.flip());
  }

  /** Bytes {@code [first, first + count)} of a range, as far as it goes. */
  private void use(FileRange range, long first, long count) {
    long there = Math.min(count, range.length() - first);
    ranges.add(new FileRange(range.file(), range.offset() + first, there));
    at += there;
  }

  private void fillTo(long end, byte value) throws IOException {
    ByteBuffer bytes = buffer(Math.toIntExact(end - at));
    while (bytes.hasRemaining()) {
      bytes.put(value);
    }
    append(bytes.flip());
  }

  private void append(ByteBuffer bytes) throws IOException {
    int count = bytes.remaining();
    if (count == 0) {
      return;
    }
    ranges.add(new FileRange(rest, written, count));
    written += count;
    at += count;
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  private static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
