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
import org.sparkfinetune.engine.exchange.Exchange.PeerFailure;
import org.sparkfinetune.engine.exchange.ExchangeStats.Counters;
import org.sparkfinetune.engine.exchange.ExchangeStats.Traffic;
import org.sparkfinetune.engine.exchange.Waits.Waiting;
import org.sparkfinetune.errors.RunFailure;

/**
 * Ranks as threads of one JVM, without a network: one rank for a run in a single process, several
 * for tests of what is built on the exchange.
 */
public final class InProcessExchange implements Exchange {
  private final Members members;
  private final List<InProcessExchange> group;
  private final Waits waits;
  private final Counters counters = new Counters();
  private final Mailbox mailbox;
  private final Shelf shelf = new Shelf();
  private final BufferPool buffers = new BufferPool(1L << 30);
  private final BorrowedMemory borrowed = new BorrowedMemory();
  private final CompletableFuture<MappedShard> shard = new CompletableFuture<>();

  private InProcessExchange(Members members, List<InProcessExchange> group, Waits waits) {
    this.members = members;
    this.group = group;
    this.waits = waits;
    this.mailbox = new Mailbox(members.worldSize());
  }

  /** The only rank of a run. */
  public static Exchange alone() {
    return group(1, ExchangeSettings.defaults()).get(0);
  }

  /** {@code worldSize} ranks that see each other, one for each thread. */
  public static List<Exchange> group(int worldSize, ExchangeSettings settings) {
    return group(Collections.nCopies(worldSize, "this JVM"), settings);
  }

  /** A rank for each host, for what depends on where ranks are. */
  public static List<Exchange> group(List<String> hosts, ExchangeSettings settings) {
    List<InProcessExchange> group = new ArrayList<>();
    for (int rank = 0; rank < hosts.size(); rank++) {
      Members members = Members.inProcess(rank, hosts);
      group.add(new InProcessExchange(members, group, new Waits(members, settings.waitTimeout())));
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
    return waits.bound(
        bytes, is(peer), () -> "the shard of " + members.name(peer) + ", which is not served yet");
  }

  @Override
  public void publish(String name, long version, ByteBuffer bytes) {
    shelf.publish(name, version, bytes.slice());
  }

  @Override
  public CompletableFuture<ByteBuffer> published(int peer, String name, long version) {
    CompletableFuture<ByteBuffer> value =
        peer(peer).shelf.await(name, version).thenApply(bytes -> copied(peer, bytes));
    return waits.bound(
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
      waits.peerLost(peer, PeerLink.TOOK_BACK);
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
    InProcessExchange target = peer(owner);
    ByteBuffer copy = target.buffers.take(bytes.remaining()).put(bytes.slice()).flip();
    target.mailbox.deliver(rank(), new Mailbox.Key(name, version), target.buffers.lend(copy));
    counters.moved(Traffic.PUSHED, copy.limit());
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public CompletableFuture<List<ByteBuffer>> pushed(String name, long version) {
    Mailbox.Key key = new Mailbox.Key(name, version);
    return waits.bound(
        mailbox.take(key),
        peer -> mailbox.missing(key).contains(peer),
        () -> "%s from %s".formatted(key, members.names(mailbox.missing(key))));
  }

  @Override
  public double[] sum(String name, long version, double[] values) {
    return RankOrderSum.of(this, name, version, values);
  }

  @Override
  public <T> T await(CompletableFuture<T> future) {
    return Waiting.await(future, members, counters);
  }

  @Override
  public void recycle(ByteBuffer buffer) {
    buffers.recycle(buffer);
  }

  /** Copies are made by the caller's own thread or by peers', at once: a moment is enough. */
  @Override
  public boolean withdraw() {
    return borrowed.withdraw(NetworkExchange.CUT_OFF);
  }

  @Override
  public void abort(String reason) {
    others().forEach(other -> other.waits.peerLost(rank(), "failed: " + reason));
  }

  @Override
  public Optional<PeerFailure> failure() {
    return waits.failure();
  }

  @Override
  public ExchangeStats stats() {
    return counters.snapshot();
  }

  @Override
  public void close() {
    waits.close();
    others().forEach(other -> other.waits.peerLeft(rank()));
  }

  private List<InProcessExchange> others() {
    return group.stream().filter(other -> other != this).toList();
  }

  private InProcessExchange peer(int rank) {
    return group.get(members.checked(rank));
  }

  private static IntPredicate is(int peer) {
    return other -> other == peer;
  }
}
