package org.sparkfinetune.engine.exchange;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.sparkfinetune.engine.exchange.ExchangeStats.Counters;
import org.sparkfinetune.engine.exchange.ExchangeStats.Traffic;
import org.sparkfinetune.engine.exchange.Shard.FileRange;
import org.sparkfinetune.engine.exchange.Shard.ShardLayout;

/** Where a rank gets a shard's bytes from. */
sealed interface FrozenSource {
  CompletableFuture<ByteBuffer> read(long offset, int length);

  /** From mappings of the shard's files on this host. */
  record Mapped(MappedShard shard, Traffic kind, BufferPool buffers, Counters counters)
      implements FrozenSource {
    @Override
    public CompletableFuture<ByteBuffer> read(long offset, int length) {
      counters.moved(kind, length);
      return CompletableFuture.completedFuture(shard.read(offset, length, buffers));
    }
  }

  /** From the peer, straight into one buffer, a stream for each file that the bytes lie in. */
  record Remote(PeerLink link, ShardLayout layout, BufferPool buffers, Counters counters)
      implements FrozenSource {
    @Override
    public CompletableFuture<ByteBuffer> read(long offset, int length) {
      List<FileRange> pieces = layout.pieces(offset, length);
      ByteBuffer bytes = buffers.take(length);
      List<CompletableFuture<Void>> streams = new ArrayList<>();
      int at = 0;
      for (FileRange piece : pieces) {
        int count = Math.toIntExact(piece.length());
        streams.add(
            link.stream("frozen/%s/%s".formatted(offset + at, count), bytes.slice(at, count)));
        at += count;
      }
      return CompletableFuture.allOf(streams.toArray(CompletableFuture[]::new))
          .thenApply(
              all -> {
                counters.moved(Traffic.FROZEN, length);
                return buffers.lend(bytes);
              });
    }
  }
}
