package org.sparkfinetune.engine.fsdp;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.exchange.Shard;
import org.sparkfinetune.engine.fsdp.HostDecoder.PlainValues;
import org.sparkfinetune.engine.fsdp.WeightSource.QuantizedWeight;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.model.quant.NestedAbsmax;
import org.sparkfinetune.model.quant.Nf4Codec;

/**
 * Makes this rank's shard file: reads only its own slice of every tensor, a chunk at a time,
 * quantises it and writes it. Quantisation constants are those of the whole tensor, so a first pass
 * finds every block's absmax and exchanges it (4 bytes for 64 weights); then any number of ranks
 * holds the same bytes.
 */
public final class ShardWriter {
  private final ShardPlan plan;
  private final WeightSource source;
  private final ProcessGroup exchange;
  private final Nf4Codec codec;
  private final WeightChunks chunks;

  // Made once: buffers outside the heap are only freed when the collector comes by.
  private final ByteBuffer packed = buffer(WeightChunks.SIZE / 2);
  private final ByteBuffer plain = buffer(WeightChunks.SIZE * Float.BYTES);
  private final float[] values = new float[WeightChunks.SIZE];

  /** Told after each group is on the disk: how many are. */
  public interface Progress {
    void done(int groups) throws IOException;
  }

  public ShardWriter(ShardPlan plan, WeightSource source, ProcessGroup exchange, Nf4Codec codec) {
    this.plan = plan;
    this.source = source;
    this.exchange = exchange;
    this.codec = codec;
    this.chunks = new WeightChunks(source, codec);
  }

  /** Writes the same shard from weights that lie elsewhere. */
  ShardWriter from(WeightSource other) {
    return new ShardWriter(plan, other, exchange, codec);
  }

  /**
   * This rank's shard, made in whichever way moves the fewest bytes; all ranks together.
   *
   * @param scratch a local folder for files of this process alone
   * @param store where shard files are kept for later runs, if they are
   */
  public Shard shard(Path scratch, Optional<ShardStore> store) {
    double inPlace = ShardInPlace.isPossible(plan, source) ? 1 : 0;
    if (exchange.sum("in place", 0, new double[] {inPlace})[0] == exchange.worldSize()) {
      return ShardInPlace.of(plan, source, scratch.resolve("shard-rest"));
    }
    Path own = scratch.resolve("shard");
    if (store.isPresent()) {
      return Shard.file(store.get().file(plan, this, exchange, own));
    }
    write(own, 0, groups -> {});
    return Shard.file(own);
  }

  /**
   * Writes the file; all ranks of the group have to do it at the same time.
   *
   * @param first groups that the file already holds, the same number on every rank
   */
  public void write(Path file, int first, Progress progress) {
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      int version = 0;
      for (Map.Entry<String, FrozenLayout> group : plan.groups().entrySet()) {
        if (version >= first) {
          long at = plan.offset(group.getKey(), plan.ranks().position());
          write(channel, at, group.getValue(), version);
          channel.force(false);
          progress.done(version + 1);
        }
        version++;
      }
      long bytes = plan.fileBytes();
      if (channel.size() < bytes) {
        writeFully(channel, buffer(1), bytes - 1);
      }
      // Peers may still be reading this rank's absmax values.
      exchange.sum("shard written", 0, new double[] {0});
    } catch (IOException e) {
      throw new RunFailure(
          "The shard file %s cannot be written: %s. It needs %s MiB; make room, or name another folder in SPARK_FINETUNE_SHARDS"
              .formatted(file, e.getMessage(), plan.fileBytes() >> 20),
          e);
    }
  }

  private void write(FileChannel channel, long at, FrozenLayout layout, long version)
      throws IOException {
    int rank = plan.ranks().position();
    WholeTensorAbsmax constants =
        WholeTensorAbsmax.exchange(chunks, layout, plan.ranks(), exchange, version);
    ByteBuffer absmaxCodes = buffer(Math.toIntExact(layout.blockCount(rank)));
    ByteBuffer constantBytes =
        buffer(Math.toIntExact(layout.plainAt(rank) - layout.constantsAt(rank)));
    for (FrozenLayout.QuantizedPiece piece : layout.quantizedPieces(rank)) {
      NestedAbsmax absmax = constants.of(piece.tensor());
      absmaxCodes.put(absmax.codes(), (int) piece.firstBlock(), piece.blocks());
      constantBytes.position(Math.toIntExact(piece.constantsAt()));
      constantBytes.putFloat(absmax.offset());
      for (int i = 0; i < piece.nestedCount(); i++) {
        constantBytes.putFloat(absmax.absmax2()[(int) piece.firstNested() + i]);
      }
      writeCodes(channel, at + piece.sliceBlock() * FrozenLayout.CODES_PER_BLOCK, piece);
    }
    writeFully(channel, absmaxCodes.position(0), at + layout.absmaxAt(rank));
    writeFully(channel, constantBytes.position(0), at + layout.constantsAt(rank));
    writePlain(channel, at + layout.plainAt(rank), layout);
  }

  private void writeCodes(FileChannel channel, long at, FrozenLayout.QuantizedPiece piece)
      throws IOException {
    ByteBuffer packed = buffer(WeightChunks.SIZE / 2);
    Optional<QuantizedWeight> stored = chunks.quantized(piece.tensor());
    if (stored.isPresent()) {
      copyCodes(channel, at, piece, stored.get(), packed);
      return;
    }
    chunks.forEach(
        piece,
        (weights, count, firstBlock) -> {
          packed.clear();
          codec.encode(weights, 0, count, chunks.absmax(weights, count), 0, packed);
          fillUp(packed, Nf4Codec.blocks(count));
          writeFully(channel, packed.flip(), at + (long) firstBlock * FrozenLayout.CODES_PER_BLOCK);
        });
  }

  private static void copyCodes(
      FileChannel channel,
      long at,
      FrozenLayout.QuantizedPiece piece,
      QuantizedWeight stored,
      ByteBuffer packed)
      throws IOException {
    int step = packed.capacity() / FrozenLayout.CODES_PER_BLOCK;
    for (int done = 0; done < piece.blocks(); done += step) {
      int blocks = Math.min(step, piece.blocks() - done);
      stored.readCodes(piece.firstBlock() + done, blocks, packed.clear());
      fillUp(packed, blocks);
      writeFully(channel, packed.flip(), at + (long) done * FrozenLayout.CODES_PER_BLOCK);
    }
  }

  /** A short last block is filled up with zeros' code, so that every block has its 32 bytes. */
  private static void fillUp(ByteBuffer packed, int blocks) {
    while (packed.position() < blocks * FrozenLayout.CODES_PER_BLOCK) {
      packed.put((byte) 0x77);
    }
  }

  private void writePlain(FileChannel channel, long at, FrozenLayout layout) throws IOException {
    int bytes = layout.plainType().bytes();
    for (FrozenLayout.PlainPiece piece : layout.plainPieces(plan.ranks().position())) {
      for (long done = 0; done < piece.count(); done += WeightChunks.SIZE) {
        int count = (int) Math.min(WeightChunks.SIZE, piece.count() - done);
        source.read(piece.tensor().name(), piece.firstElement() + done, values, count);
        PlainValues.encode(layout.plainType(), values, count, plain.clear());
        writeFully(channel, plain.flip(), at + (piece.sliceElement() + done) * bytes);
      }
    }
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
