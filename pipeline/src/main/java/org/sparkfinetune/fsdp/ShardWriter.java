package org.sparkfinetune.fsdp;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.sparkfinetune.exchange.Exchange;
import org.sparkfinetune.quant.DoubleQuantization;
import org.sparkfinetune.quant.NestedAbsmax;
import org.sparkfinetune.quant.Nf4Codec;
import org.sparkfinetune.tensor.NamedShape;

/**
 * Makes this rank's shard file: reads only its own slice of every tensor, a chunk at a time,
 * quantises it and writes it. Quantisation constants are those of the whole tensor, so a first pass
 * finds every block's absmax and exchanges it (4 bytes for 64 weights); then any number of ranks
 * holds the same bytes.
 */
public final class ShardWriter {
  /** Weights in memory at a time; a multiple of a block. */
  private static final int CHUNK = 1 << 20;

  private final ShardPlan plan;
  private final WeightSource source;
  private final Exchange exchange;
  private final Nf4Codec codec;
  private final Progress progress;

  /** Told after each group. */
  public interface Progress {
    void done(String group, long bytes);
  }

  public ShardWriter(
      ShardPlan plan, WeightSource source, Exchange exchange, Nf4Codec codec, Progress progress) {
    this.plan = plan;
    this.source = source;
    this.exchange = exchange;
    this.codec = codec;
    this.progress = progress;
  }

  /** Writes the whole file; all ranks of the group have to do it at the same time. */
  public void write(Path file) {
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      long version = 0;
      for (Map.Entry<String, FrozenLayout> group : plan.groups().entrySet()) {
        long at = plan.offset(group.getKey(), exchange.rank());
        write(channel, at, group.getValue(), version++);
        progress.done(group.getKey(), group.getValue().sliceBytes(exchange.rank()));
      }
      // Peers may still be reading this rank's absmax values.
      exchange.sum("shard written", 0, new double[] {0});
      channel.force(false);
    } catch (IOException e) {
      throw new UncheckedIOException("writing the shard file " + file, e);
    }
  }

  private void write(FileChannel channel, long at, FrozenLayout layout, long version)
      throws IOException {
    int rank = exchange.rank();
    Map<NamedShape, NestedAbsmax> nested = quantizeAbsmax(layout, version);
    ByteBuffer absmaxCodes = buffer(Math.toIntExact(layout.blockCount(rank)));
    ByteBuffer constants = buffer(Math.toIntExact(layout.plainAt(rank) - layout.constantsAt(rank)));
    for (FrozenLayout.QuantizedPiece piece : layout.quantizedPieces(rank)) {
      NestedAbsmax absmax = nested.get(piece.tensor());
      absmaxCodes.put(absmax.codes(), (int) piece.firstBlock(), piece.blocks());
      constants.position(Math.toIntExact(piece.constantsAt()));
      constants.putFloat(absmax.offset());
      for (int i = 0; i < piece.nestedCount(); i++) {
        constants.putFloat(absmax.absmax2()[(int) piece.firstNested() + i]);
      }
      writeCodes(channel, at + piece.sliceBlock() * FrozenLayout.CODES_PER_BLOCK, piece);
    }
    writeFully(channel, absmaxCodes.position(0), at + layout.absmaxAt(rank));
    writeFully(channel, constants.position(0), at + layout.constantsAt(rank));
    writePlain(channel, at + layout.plainAt(rank), layout);
  }

  /** Pass one over the own slice, then everybody's absmax values, then the nested codes. */
  private Map<NamedShape, NestedAbsmax> quantizeAbsmax(FrozenLayout layout, long version) {
    ByteBuffer own =
        ByteBuffer.allocateDirect(Math.toIntExact(layout.blockCount(exchange.rank()) * Float.BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    for (FrozenLayout.QuantizedPiece piece : layout.quantizedPieces(exchange.rank())) {
      eachChunk(
          piece,
          (weights, count, firstBlock) -> {
            float[] absmax = absmax(weights, count);
            own.asFloatBuffer().put(Math.toIntExact(piece.sliceBlock() + firstBlock), absmax);
          });
    }
    String name = "absmax";
    exchange.publish(name, version, own);
    List<CompletableFuture<ByteBuffer>> slices = new ArrayList<>();
    for (int rank = 0; rank < exchange.worldSize(); rank++) {
      slices.add(exchange.published(rank, name, version));
    }
    Map<NamedShape, float[]> absmax = new java.util.HashMap<>();
    layout
        .quantized()
        .forEach(t -> absmax.put(t, new float[Math.toIntExact(FrozenLayout.blocks(t))]));
    for (int rank = 0; rank < slices.size(); rank++) {
      ByteBuffer slice = exchange.await(slices.get(rank));
      var values = slice.duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
      for (FrozenLayout.QuantizedPiece piece : layout.quantizedPieces(rank)) {
        values.get(
            Math.toIntExact(piece.sliceBlock()),
            absmax.get(piece.tensor()),
            (int) piece.firstBlock(),
            piece.blocks());
      }
      exchange.recycle(slice);
    }
    exchange.sum("absmax read", version, new double[] {0});
    Map<NamedShape, NestedAbsmax> nested = new java.util.HashMap<>();
    absmax.forEach((tensor, values) -> nested.put(tensor, DoubleQuantization.encode(values)));
    return nested;
  }

  private void writeCodes(FileChannel channel, long at, FrozenLayout.QuantizedPiece piece)
      throws IOException {
    ByteBuffer packed = buffer(CHUNK / 2);
    eachChunk(
        piece,
        (weights, count, firstBlock) -> {
          packed.clear();
          codec.encode(weights, 0, count, absmax(weights, count), 0, packed);
          // A short last block is filled up, so that every block has its 32 bytes.
          int blocks = (count + FrozenLayout.BLOCK - 1) / FrozenLayout.BLOCK;
          while (packed.position() < blocks * FrozenLayout.CODES_PER_BLOCK) {
            packed.put((byte) 0x77);
          }
          writeFully(channel, packed.flip(), at + (long) firstBlock * FrozenLayout.CODES_PER_BLOCK);
        });
  }

  private void writePlain(FileChannel channel, long at, FrozenLayout layout) throws IOException {
    int bytes = layout.plainType().bytes();
    ByteBuffer out = buffer(CHUNK * bytes);
    float[] values = new float[CHUNK];
    for (FrozenLayout.PlainPiece piece : layout.plainPieces(exchange.rank())) {
      for (long done = 0; done < piece.count(); done += CHUNK) {
        int count = (int) Math.min(CHUNK, piece.count() - done);
        source.read(piece.tensor().name(), piece.firstElement() + done, values, count);
        PlainValues.encode(layout.plainType(), values, count, out.clear());
        writeFully(channel, out.flip(), at + (piece.sliceElement() + done) * bytes);
      }
    }
  }

  private interface ChunkWork {
    void accept(float[] weights, int count, int firstBlock) throws IOException;
  }

  private void eachChunk(FrozenLayout.QuantizedPiece piece, ChunkWork work) {
    float[] weights = new float[Math.min(CHUNK, piece.weights())];
    try {
      for (int done = 0; done < piece.weights(); done += CHUNK) {
        int count = Math.min(CHUNK, piece.weights() - done);
        source.read(
            piece.tensor().name(), piece.firstBlock() * FrozenLayout.BLOCK + done, weights, count);
        work.accept(weights, count, done / FrozenLayout.BLOCK);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private float[] absmax(float[] weights, int count) {
    float[] absmax = new float[(count + FrozenLayout.BLOCK - 1) / FrozenLayout.BLOCK];
    codec.absmax(weights, 0, count, absmax, 0);
    return absmax;
  }

  private static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void writeFully(FileChannel channel, ByteBuffer bytes, long at)
      throws IOException {
    long position = at;
    while (bytes.hasRemaining()) {
      position += channel.write(bytes, position);
    }
  }
}
