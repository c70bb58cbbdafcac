package org.sparkfinetune.engine.exchange;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.apache.spark.network.buffer.FileSegmentManagedBuffer;
import org.apache.spark.network.buffer.ManagedBuffer;
import org.apache.spark.network.buffer.NioManagedBuffer;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.StreamCallbackWithID;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.StreamManager;
import org.apache.spark.network.util.TransportConf;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.engine.exchange.ExchangeStats.Counters;
import org.sparkfinetune.engine.exchange.ExchangeStats.Traffic;
import org.sparkfinetune.engine.exchange.Shard.FileRange;
import org.sparkfinetune.engine.exchange.Shard.ShardLayout;
import org.sparkfinetune.engine.exchange.ShardOffer.OfferCodec;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;

/** Answers peers. Runs on the network's threads, so nothing here blocks. */
final class PeerRequestHandler extends RpcHandler {
  private static final String PUBLISHED = "published";
  private static final ByteBuffer NOTHING = ByteBuffer.allocate(0).asReadOnlyBuffer();

  /** What peers are told of this rank's shard, and where its bytes lie. */
  private record Served(ShardOffer offer, ShardLayout layout) {}

  private final TransportConf conf;
  private final int rank;
  private final int worldSize;
  private final ReceivedContributions contributions;
  private final PublishedValues published = new PublishedValues();
  private final BufferPool buffers;
  private final BorrowedMemory borrowed;
  private final Counters counters;
  // One future: a peer that is told of the shard may read it before another future is complete.
  private final CompletableFuture<Served> served = new CompletableFuture<>();
  private final CompletableFuture<PendingOperations> pending = new CompletableFuture<>();

  PeerRequestHandler(
      TransportConf conf,
      int rank,
      int worldSize,
      BufferPool buffers,
      BorrowedMemory borrowed,
      Counters counters) {
    this.conf = conf;
    this.rank = rank;
    this.worldSize = worldSize;
    this.contributions = new ReceivedContributions(worldSize);
    this.buffers = buffers;
    this.borrowed = borrowed;
    this.counters = counters;
  }

  ReceivedContributions contributions() {
    return contributions;
  }

  PublishedValues published() {
    return published;
  }

  void serve(ShardOffer offer) {
    if (!served.complete(new Served(offer, new ShardLayout(offer.shard())))) {
      throw new Bug("Rank " + rank + " serves a second shard.");
    }
  }

  /** From now on what peers say about themselves reaches {@code group}; earlier news is kept. */
  void joined(PendingOperations group) {
    pending.complete(group);
  }

  @Override
  public void receive(TransportClient client, ByteBuffer message, RpcResponseCallback callback) {
    Request request;
    try {
      request = checked(Request.decoded(message));
    } catch (IllegalArgumentException e) {
      callback.onFailure(new RunFailure("Rank " + rank + " received " + e.getMessage()));
      return;
    }
    CompletableFuture<ByteBuffer> unused =
        answer(request).whenComplete((reply, error) -> reply(callback, reply, error));
  }

  private CompletableFuture<ByteBuffer> answer(Request request) {
    if (request instanceof Request.Hello hello) {
      return hello(hello);
    }
    if (request instanceof Request.Describe) {
      return served.thenApply(shard -> OfferCodec.encode(shard.offer()));
    }
    if (request instanceof Request.Await await) {
      return published.await(await.name(), await.version()).thenApply(v -> number(v.remaining()));
    }
    if (request instanceof Request.Abort abort) {
      return news(group -> group.peerLost(abort.rank(), "failed: " + abort.reason()));
    } else if (request instanceof Request.Bye bye) {
      return news(group -> group.peerLeft(bye.rank()));
    } else if (request instanceof Request.Push) {
      return CompletableFuture.failedFuture(new RunFailure("A push without its bytes."));
    }
    return CompletableFuture.completedFuture(NOTHING.duplicate());
  }

  /** Answered at once, though it may reach this rank's group only when that is complete. */
  private CompletableFuture<ByteBuffer> news(Consumer<PendingOperations> news) {
    CompletableFuture<Void> unused = pending.thenAccept(news);
    return CompletableFuture.completedFuture(NOTHING.duplicate());
  }

  private CompletableFuture<ByteBuffer> hello(Request.Hello hello) {
    return hello.worldSize() == worldSize
        ? CompletableFuture.completedFuture(number(rank))
        : CompletableFuture.failedFuture(
            new RunFailure(
                "Rank %s has %s ranks in its group, rank %s has %s."
                    .formatted(hello.rank(), hello.worldSize(), rank, worldSize)));
  }

  private static void reply(RpcResponseCallback callback, ByteBuffer reply, Throwable error) {
    if (error == null) {
      callback.onSuccess(reply);
    } else {
      callback.onFailure(error);
    }
  }

  private Request checked(Request request) {
    if (request.rank() < 0 || request.rank() >= worldSize) {
      throw new IllegalArgumentException("a message of an unknown rank " + request.rank());
    }
    return request;
  }

  private static ByteBuffer number(int value) {
    return ByteBuffer.allocate(Integer.BYTES).putInt(0, value);
  }

  @Override
  public StreamCallbackWithID receiveStream(
      TransportClient client, ByteBuffer head, RpcResponseCallback callback) {
    if (checked(Request.decoded(head)) instanceof Request.Push push && push.length() >= 0) {
      return new Contribution(push, buffers.take(push.length()));
    }
    throw new IllegalArgumentException("an upload that is no contribution");
  }

  @Override
  public StreamManager getStreamManager() {
    return new Streams();
  }

  private final class Contribution implements StreamCallbackWithID {
    private final Request.Push push;
    private final ByteBuffer bytes;

    Contribution(Request.Push push, ByteBuffer bytes) {
      this.push = push;
      this.bytes = bytes;
    }

    @Override
    public String getID() {
      return push.toString();
    }

    @Override
    public void onData(String id, ByteBuffer part) throws IOException {
      if (part.remaining() > bytes.remaining()) {
        throw new IOException("More bytes than announced for " + push);
      }
      bytes.put(part);
    }

    @Override
    public void onComplete(String id) throws IOException {
      if (bytes.hasRemaining()) {
        throw new IOException("%s bytes missing of %s".formatted(bytes.remaining(), push));
      }
      ReceivedContributions.Key key = new ReceivedContributions.Key(push.name(), push.version());
      contributions.deliver(push.rank(), key, buffers.lend(bytes.flip()));
    }

    @Override
    public void onFailure(String id, Throwable cause) {
      // The sender's end of the connection reports it.
    }
  }

  /** Streams by name: {@code frozen/OFFSET/LENGTH} and {@code published/VERSION/NAME}. */
  private final class Streams extends StreamManager {
    /** Nothing for what was withdrawn. */
    @Override
    public @Nullable ManagedBuffer openStream(String id) {
      String[] parts = id.split("/", 3);
      ManagedBuffer stream =
          switch (parts[0]) {
            case "frozen" -> frozen(Long.parseLong(parts[1]), Integer.parseInt(parts[2]));
            case PUBLISHED -> published(parts[2], Long.parseLong(parts[1]));
            default -> throw new IllegalArgumentException("No such stream: " + id);
          };
      if (stream != null) {
        counters.moved(Traffic.SERVED, stream.size());
      }
      return stream;
    }

    /** Called once for each stream that was opened, when its bytes are written or given up. */
    @Override
    public void streamSent(String id) {
      if (id.startsWith(PUBLISHED)) {
        borrowed.end();
      }
    }

    @Override
    public ManagedBuffer getChunk(long streamId, int chunk) {
      throw new UnsupportedOperationException("The exchange has no chunks.");
    }

    private ManagedBuffer frozen(long offset, int length) {
      Served shard = served.getNow(null);
      if (shard == null) {
        throw new IllegalStateException("Rank " + rank + " serves no shard yet.");
      }
      List<FileRange> pieces = shard.layout().pieces(offset, length);
      if (pieces.size() != 1) {
        throw new IllegalArgumentException("A stream of frozen bytes has to lie in one file.");
      }
      FileRange piece = pieces.get(0);
      return new FileSegmentManagedBuffer(
          conf, piece.file().toFile(), piece.offset(), piece.length());
    }

    private @Nullable ManagedBuffer published(String name, long version) {
      ByteBuffer value =
          published
              .current(name, version)
              .orElseThrow(() -> new IllegalStateException("Not published any more: " + name));
      return borrowed.beginPublished() ? new NioManagedBuffer(value.duplicate()) : null;
    }
  }
}
