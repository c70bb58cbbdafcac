package org.sparkfinetune.engine.exchange;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.IntPredicate;
import java.util.function.Supplier;
import org.sparkfinetune.engine.exchange.ExchangeStats.Counters;
import org.sparkfinetune.engine.exchange.ExchangeStats.Traffic;
import org.sparkfinetune.engine.exchange.PendingOperations.BlockingWait;
import org.sparkfinetune.engine.exchange.ProcessGroup.PeerLoss;
import org.sparkfinetune.engine.exchange.Shard.ShardLayout;
import org.sparkfinetune.engine.exchange.ShardOffer.OfferCodec;
import org.sparkfinetune.errors.RunFailure;

/**
 * One rank of a group of processes, connected to every other rank by Spark's transport. Made by
 * {@link NetworkEndpoint#connect}.
 */
final class NetworkProcessGroup implements ProcessGroup {
  private static final int REASON_LIMIT = 2000;
  private static final int FAREWELL_SECONDS = 2;

  /** Peers that hear nothing would take the closed connections for a death. */
  private static final int FAREWELL_SECONDS_IN_GOOD_ORDER = 20;

  /** For peers to take what is on its way to them: they do so without their training thread. */
  private static final Duration DRAIN = Duration.ofSeconds(10);

  /** For connections to end once they are closed. */
  static final Duration CUT_OFF = Duration.ofSeconds(20);

  private final NetworkEndpoint endpoint;
  private final GroupMembers members;
  private final PendingOperations pending;
  private final Map<Integer, PeerLink> links;
  private final Map<Integer, CompletableFuture<FrozenSource>> sources = new ConcurrentHashMap<>();
  private final CompletableFuture<FrozenSource> own = new CompletableFuture<>();
  private final CompletableFuture<ShardOffer> offer = new CompletableFuture<>();
  private final AtomicBoolean closed = new AtomicBoolean();

  NetworkProcessGroup(
      NetworkEndpoint endpoint,
      GroupMembers members,
      PendingOperations pending,
      Map<Integer, PeerLink> links) {
    this.endpoint = endpoint;
    this.members = members;
    this.pending = pending;
    this.links = Map.copyOf(links);
    sources.put(members.rank(), own);
  }

  @Override
  public int rank() {
    return members.rank();
  }

  @Override
  public int worldSize() {
    return members.worldSize();
  }

  @Override
  public List<String> hosts() {
    return members.hosts();
  }

  @Override
  public void serve(Shard shard) {
    try {
      ShardOffer offered = ShardOffer.of(shard);
      own.complete(
          new FrozenSource.Mapped(
              MappedShard.open(shard), Traffic.OWN, endpoint.buffers(), counters()));
      offer.complete(offered);
      endpoint.requests().serve(offered);
    } catch (IOException e) {
      throw new RunFailure("The shard of %s cannot be read: %s".formatted(members.self(), e), e);
    }
  }

  @Override
  public CompletableFuture<ByteBuffer> frozen(int peer, long offset, int length) {
    CompletableFuture<ByteBuffer> bytes =
        sources
            .computeIfAbsent(members.checked(peer), this::source)
            .thenCompose(source -> source.read(offset, length));
    return bound(
        bytes,
        peer,
        () ->
            "bytes [%s, %s) of the shard of %s"
                .formatted(offset, offset + length, members.name(peer)));
  }

  private CompletableFuture<FrozenSource> source(int peer) {
    return link(peer)
        .request(new Request.Describe(rank()))
        .thenApplyAsync(
            description -> source(peer, OfferCodec.decode(description)), pending.clock());
  }

  private FrozenSource source(int peer, ShardOffer offered) {
    Optional<MappedShard> mapped =
        endpoint.settings().mapping() == ExchangeSettings.Mapping.AUTO
            ? offered.mapIfSame()
            : Optional.empty();
    return mapped.isPresent()
        ? new FrozenSource.Mapped(mapped.get(), Traffic.MAPPED, endpoint.buffers(), counters())
        : new FrozenSource.Remote(
            link(peer), new ShardLayout(offered.shard()), endpoint.buffers(), counters());
  }

  @Override
  public void publish(String name, long version, ByteBuffer bytes) {
    endpoint.requests().published().publish(name, version, bytes.slice());
  }

  @Override
  public CompletableFuture<ByteBuffer> published(int peer, String name, long version) {
    CompletableFuture<ByteBuffer> value =
        members.checked(peer) == rank()
            ? endpoint
                .requests()
                .published()
                .await(name, version)
                .thenApply(bytes -> bytes.asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN))
            : link(peer)
                .request(new Request.Await(rank(), name, version))
                .thenCompose(length -> fetch(peer, name, version, length.getInt()));
    return bound(
        value,
        peer,
        () -> "%s to publish '%s' version %s".formatted(members.name(peer), name, version));
  }

  private CompletableFuture<ByteBuffer> fetch(int peer, String name, long version, int length) {
    ByteBuffer bytes = endpoint.buffers().take(length);
    return link(peer)
        .published(name, version, bytes.slice(0, length))
        .thenApply(
            done -> {
              counters().moved(Traffic.PUBLISHED, length);
              return endpoint.buffers().lend(bytes);
            });
  }

  @Override
  public CompletableFuture<Void> push(int owner, String name, long version, ByteBuffer bytes) {
    int length = bytes.remaining();
    ReceivedContributions.Key key = new ReceivedContributions.Key(name, version);
    if (members.checked(owner) == rank()) {
      ByteBuffer copy = endpoint.buffers().take(length).put(bytes.duplicate()).flip();
      endpoint.requests().contributions().deliver(rank(), key, endpoint.buffers().lend(copy));
      return CompletableFuture.completedFuture(null);
    }
    CompletableFuture<Void> sent =
        link(owner)
            .upload(new Request.Push(rank(), name, version, length), bytes.slice())
            .thenAccept(taken -> counters().moved(Traffic.PUSHED, length));
    // A rank that leaves the moment it has what it waited for may not say any more that it took it.
    return bound(sent, owner, () -> members.name(owner) + " to take " + key)
        .handle((taken, error) -> error == null || pending.hasLeft(owner) ? null : thrown(error));
  }

  private static Void thrown(Throwable error) {
    throw error instanceof CompletionException known ? known : new CompletionException(error);
  }

  @Override
  public CompletableFuture<List<ByteBuffer>> pushed(String name, long version) {
    ReceivedContributions contributions = endpoint.requests().contributions();
    ReceivedContributions.Key key = new ReceivedContributions.Key(name, version);
    return pending.bound(
        contributions.take(key),
        peer -> contributions.missing(key).contains(peer),
        () -> "%s from %s".formatted(key, members.names(contributions.missing(key))));
  }

  @Override
  public double[] sum(String name, long version, double[] values) {
    return AllReduce.of(this, name, version, values);
  }

  @Override
  public <T> T await(CompletableFuture<T> future) {
    return BlockingWait.await(future, members, counters());
  }

  @Override
  public void recycle(ByteBuffer buffer) {
    endpoint.buffers().recycle(buffer);
  }

  @Override
  public boolean withdraw() {
    Duration peerTimeout = endpoint.settings().peerTimeout();
    if (borrowed().withdraw(peerTimeout.compareTo(DRAIN) < 0 ? peerTimeout : DRAIN)) {
      return true;
    }
    links.values().forEach(PeerLink::cutOff);
    endpoint.cutOff();
    return borrowed().withdraw(CUT_OFF);
  }

  @Override
  public void abort(String reason) {
    String text = reason.length() > REASON_LIMIT ? reason.substring(0, REASON_LIMIT) : reason;
    tellAll(new Request.Abort(rank(), text), FAREWELL_SECONDS);
  }

  @Override
  public Optional<PeerLoss> failure() {
    return pending.failure();
  }

  @Override
  public ExchangeStats stats() {
    return counters().snapshot();
  }

  @Override
  public void close() {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    pending.close();
    tellAll(
        new Request.Bye(rank()),
        failure().isPresent() ? FAREWELL_SECONDS : FAREWELL_SECONDS_IN_GOOD_ORDER);
    links.values().forEach(PeerLink::close);
    endpoint.close();
    CompletableFuture<Void> unused =
        offer.thenAccept(served -> served.nonce().ifPresent(Nonce::delete));
  }

  /** Best effort, for a moment: a peer that is gone already needs no news. */
  private void tellAll(Request news, int seconds) {
    List<CompletableFuture<ByteBuffer>> told = new ArrayList<>();
    links.values().forEach(link -> told.add(link.request(news)));
    try {
      CompletableFuture.allOf(told.toArray(CompletableFuture[]::new))
          .get(seconds, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (ExecutionException | TimeoutException e) {
      // Somebody did not hear it; their own time-out will tell them.
    }
  }

  private <T> CompletableFuture<T> bound(
      CompletableFuture<T> future, int peer, Supplier<String> what) {
    IntPredicate isPeer = other -> other == peer;
    return pending.bound(future, isPeer, what);
  }

  private PeerLink link(int peer) {
    PeerLink link = links.get(peer);
    if (link == null) {
      throw new IllegalStateException("No link to rank " + peer);
    }
    return link;
  }

  private BorrowedMemory borrowed() {
    return endpoint.borrowed();
  }

  private Counters counters() {
    return endpoint.counters();
  }
}
