package org.sparkfinetune.engine.exchange;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.IntPredicate;
import org.sparkfinetune.engine.exchange.ExchangeStats.Counters;
import org.sparkfinetune.engine.exchange.ExchangeStats.Traffic;
import org.sparkfinetune.engine.exchange.PendingOperations.BlockingWait;
import org.sparkfinetune.engine.exchange.ProcessGroup.PeerLoss;
import org.sparkfinetune.errors.RunFailure;

/**
 * Ranks as threads of one JVM, without a network: one rank for a run in a single process, several
 * for tests of what is built on the exchange.
 */
public final class InProcessGroup implements ProcessGroup {
  private final GroupMembers members;
  private final List<InProcessGroup> group;
  private final PendingOperations pending;
  private final Counters counters = new Counters();
  private final ReceivedContributions contributions;
  private final PublishedValues published = new PublishedValues();
  private final BufferPool buffers = new BufferPool(1L << 30);
  private final BorrowedMemory borrowed = new BorrowedMemory();
  private final CompletableFuture<MappedShard> shard = new CompletableFuture<>();

  private InProcessGroup(
      GroupMembers members, List<InProcessGroup> group, PendingOperations pending) {
    this.members = members;
    this.group = group;
    this.pending = pending;
    this.contributions = new ReceivedContributions(members.worldSize());
  }

  /** The only rank of a run. */
  public static ProcessGroup alone() {
    return group(1, ExchangeSettings.defaults()).get(0);
  }

  /** {@code worldSize} ranks that see each other, one for each thread. */
  public static List<ProcessGroup> group(int worldSize, ExchangeSettings settings) {
    return group(Collections.nCopies(worldSize, "this JVM"), settings);
  }

  /** A rank for each host, for what depends on where ranks are. */
  public static List<ProcessGroup> group(List<String> hosts, ExchangeSettings settings) {
    List<InProcessGroup> group = new ArrayList<>();
    for (int rank = 0; rank < hosts.size(); rank++) {
      GroupMembers members = GroupMembers.inProcess(rank, hosts);
      group.add(
          new InProcessGroup(
              members, group, new PendingOperations(members, settings.waitTimeout())));
    }
    return List.copyOf(group);
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
  public void serve(Shard served) {
    try {
      shard.complete(MappedShard.open(served));
    } catch (IOException e) {
      throw new RunFailure("The shard of %s cannot be read: %s".formatted(members.self(), e), e);
    }
  }

  @Override
  public CompletableFuture<ByteBuffer> frozen(int peer, long offset, int length) {
    CompletableFuture<ByteBuffer> bytes =
        peer(peer)
            .shard
            .thenApply(
                mapped -> {
                  counters.moved(peer == rank() ? Traffic.OWN : Traffic.MAPPED, length);
                  return mapped.read(offset, length, buffers);
                });
    return pending.bound(
        bytes, is(peer), () -> "the shard of " + members.name(peer) + ", which is not served yet");
  }

  @Override
  public void publish(String name, long version, ByteBuffer bytes) {
    published.publish(name, version, bytes.slice());
  }

  @Override
  public CompletableFuture<ByteBuffer> published(int peer, String name, long version) {
    CompletableFuture<ByteBuffer> value =
        peer(peer).published.await(name, version).thenApply(bytes -> copied(peer, bytes));
    return pending.bound(
        value,
        is(peer),
        () -> "%s to publish '%s' version %s".formatted(members.name(peer), name, version));
  }

  /** A copy, because the peer frees its memory when it likes; its own rank may see it as it is. */
  private ByteBuffer copied(int peer, ByteBuffer bytes) {
    counters.moved(Traffic.PUBLISHED, bytes.remaining());
    if (peer == rank()) {
      return bytes.asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
    }
    BorrowedMemory source = peer(peer).borrowed;
    if (!source.beginPublished()) {
      pending.peerLost(peer, PeerLink.TOOK_BACK);
      throw new RunFailure(members.name(peer) + " " + PeerLink.TOOK_BACK);
    }
    try {
      return buffers.lend(buffers.take(bytes.remaining()).put(bytes.slice()).flip());
    } finally {
      source.end();
    }
  }

  @Override
  public CompletableFuture<Void> push(int owner, String name, long version, ByteBuffer bytes) {
    InProcessGroup target = peer(owner);
    ByteBuffer copy = target.buffers.take(bytes.remaining()).put(bytes.slice()).flip();
    target.contributions.deliver(
        rank(), new ReceivedContributions.Key(name, version), target.buffers.lend(copy));
    counters.moved(Traffic.PUSHED, copy.limit());
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public CompletableFuture<List<ByteBuffer>> pushed(String name, long version) {
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
    return BlockingWait.await(future, members, counters);
  }

  @Override
  public void recycle(ByteBuffer buffer) {
    buffers.recycle(buffer);
  }

  /** Copies are made by the caller's own thread or by peers', at once: a moment is enough. */
  @Override
  public boolean withdraw() {
    return borrowed.withdraw(NetworkProcessGroup.CUT_OFF);
  }

  @Override
  public void abort(String reason) {
    others().forEach(other -> other.pending.peerLost(rank(), "failed: " + reason));
  }

  @Override
  public Optional<PeerLoss> failure() {
    return pending.failure();
  }

  @Override
  public ExchangeStats stats() {
    return counters.snapshot();
  }

  @Override
  public void close() {
    pending.close();
    others().forEach(other -> other.pending.peerLeft(rank()));
  }

  private List<InProcessGroup> others() {
    return group.stream().filter(other -> other != this).toList();
  }

  private InProcessGroup peer(int rank) {
    return group.get(members.checked(rank));
  }

  private static IntPredicate is(int peer) {
    return other -> other == peer;
  }
}
