package org.sparkfinetune.engine.exchange;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.spark.network.buffer.ManagedBuffer;
import org.apache.spark.network.buffer.NioManagedBuffer;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.StreamCallback;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.client.TransportClientFactory;
import org.sparkfinetune.engine.exchange.NetworkEndpoint.PeerAddress;
import org.sparkfinetune.errors.RunFailure;

/**
 * This rank's connections to one peer. Two of them: one for requests and signs of life, one for
 * bytes, so that a ping never queues behind half a gigabyte. A closed connection is reported at
 * once, a silent peer after the peer time-out.
 */
final class PeerLink implements AutoCloseable {
  private static final int ATTEMPTS = 3;
  private static final Duration PAUSE = Duration.ofMillis(300);

  /** What the transport says of a stream that the peer does not give. */
  private static final String NOT_FOUND = "was not found";

  /** Of a peer that took back what it published. */
  static final String TOOK_BACK = "is ending: it took back what it had published";

  private final int peer;
  private final GroupMembers members;
  private final PendingOperations pending;
  private final BorrowedMemory borrowed;
  private final Duration peerTimeout;
  private final TransportClient control;
  private final TransportClient bulk;
  private final Set<Upload> uploads = ConcurrentHashMap.newKeySet();
  private final AtomicBoolean pinging = new AtomicBoolean();
  private volatile boolean closing;
  private int silentTicks;

  private PeerLink(
      int peer,
      GroupMembers members,
      PendingOperations pending,
      BorrowedMemory borrowed,
      Duration peerTimeout,
      TransportClient control,
      TransportClient bulk) {
    this.peer = peer;
    this.members = members;
    this.pending = pending;
    this.borrowed = borrowed;
    this.peerTimeout = peerTimeout;
    this.control = control;
    this.bulk = bulk;
  }

  static PeerLink connect(
      TransportClientFactory factory,
      GroupMembers members,
      int peer,
      PendingOperations pending,
      BorrowedMemory borrowed,
      ExchangeSettings settings) {
    TransportClient control = client(factory, members, peer, settings);
    TransportClient bulk = client(factory, members, peer, settings);
    PeerLink link =
        new PeerLink(peer, members, pending, borrowed, settings.peerTimeout(), control, bulk);
    control.getChannel().closeFuture().addListener(closed -> link.connectionClosed());
    bulk.getChannel().closeFuture().addListener(closed -> link.connectionClosed());
    bulk.getChannel().closeFuture().addListener(closed -> link.uploads.forEach(Upload::end));
    link.startPinging();
    return link;
  }

  private static TransportClient client(
      TransportClientFactory factory, GroupMembers members, int peer, ExchangeSettings settings) {
    PeerAddress address = members.addresses().get(peer);
    long start = System.nanoTime();
    for (int attempt = 1; ; attempt++) {
      try {
        TransportClient client = factory.createUnmanagedClient(address.host(), address.port());
        greet(client, members, peer, settings.connectTimeout());
        return client;
      } catch (IOException | RuntimeException e) {
        if (attempt == ATTEMPTS) {
          throw notConnected(members, peer, System.nanoTime() - start, e);
        }
        pause(members);
      } catch (InterruptedException e) {
        throw interrupted(members, e);
      }
    }
  }

  private static void greet(
      TransportClient client, GroupMembers members, int peer, Duration connectTimeout) {
    Request hello = new Request.Hello(members.rank(), members.worldSize());
    int answered = client.sendRpcSync(hello.encoded(), connectTimeout.toMillis()).getInt();
    if (answered != peer) {
      client.close();
      throw new IllegalStateException("rank " + answered + " answers there");
    }
  }

  private static RunFailure notConnected(
      GroupMembers members, int peer, long nanos, Exception cause) {
    return new RunFailure(
        "%s could not connect to %s in %s and %s attempts: %s. Its process may have ended, or the"
                .formatted(
                    members.self(),
                    members.name(peer),
                    PendingOperations.seconds(nanos),
                    ATTEMPTS,
                    firstLine(cause))
            + " network between the executors blocks the port.",
        cause);
  }

  private static void pause(GroupMembers members) {
    try {
      TimeUnit.MILLISECONDS.sleep(PAUSE.toMillis());
    } catch (InterruptedException e) {
      throw interrupted(members, e);
    }
  }

  private static RunFailure interrupted(GroupMembers members, InterruptedException e) {
    Thread.currentThread().interrupt();
    return new RunFailure(members.self() + " was interrupted while it connected to its peers.", e);
  }

  private void startPinging() {
    long interval = Math.min(TimeUnit.SECONDS.toNanos(5), Math.max(1, peerTimeout.toNanos() / 4));
    ScheduledFuture<?> unused =
        pending
            .clock()
            .scheduleWithFixedDelay(() -> ping(interval), interval, interval, TimeUnit.NANOSECONDS);
  }

  /** Counts ticks, not time: a pause of this process must not count as silence of the peer. */
  private void ping(long interval) {
    if (closing || pending.hasLeft(peer)) {
      return;
    }
    if (!pinging.compareAndSet(false, true)) {
      silentTicks++;
      if (silentTicks * interval >= peerTimeout.toNanos()) {
        pending.peerLost(
            peer,
            "did not answer for %s (it is frozen, or the network swallows its answers)"
                .formatted(PendingOperations.seconds(silentTicks * interval)));
      }
      return;
    }
    silentTicks = 0;
    CompletableFuture<ByteBuffer> unused =
        request(new Request.Ping(members.rank()))
            .whenComplete((answer, error) -> pinging.set(error != null));
  }

  private void connectionClosed() {
    if (!closing && !pending.hasLeft(peer)) {
      pending.peerLost(peer, "closed its connection (its process ended or was killed)");
    }
  }

  /** Sends a small request on the control connection; the answer is a copy. */
  CompletableFuture<ByteBuffer> request(Request request) {
    CompletableFuture<ByteBuffer> answer = new CompletableFuture<>();
    if (isGone(answer)) {
      return answer;
    }
    control.sendRpc(request.encoded(), new Answer(answer));
    return answer;
  }

  /** Fills what remains of {@code into} with what the peer published. */
  CompletableFuture<Void> published(String name, long version, ByteBuffer into) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    CompletableFuture<Void> unused =
        stream("published/%s/%s".formatted(version, name), into)
            .whenComplete(
                (filled, error) -> {
                  if (error == null) {
                    done.complete(null);
                    return;
                  }
                  if (String.valueOf(error.getMessage()).contains(NOT_FOUND)) {
                    // Before its abort arrives: what fails here is the consequence, not the cause.
                    pending.peerLost(peer, TOOK_BACK);
                  }
                  done.completeExceptionally(error);
                });
    return done;
  }

  /** Fills what remains of {@code into} with a stream of exactly that many bytes. */
  CompletableFuture<Void> stream(String id, ByteBuffer into) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    if (isGone(done)) {
      return done;
    }
    bulk.stream(id, new Filling(into, done));
    return done;
  }

  /** Sends {@code bytes} without copying them; completes when the peer has all of them. */
  CompletableFuture<ByteBuffer> upload(Request.Push head, ByteBuffer bytes) {
    CompletableFuture<ByteBuffer> taken = new CompletableFuture<>();
    if (isGone(taken)) {
      return taken;
    }
    Upload upload = new Upload(bytes);
    CompletableFuture<Void> unused = taken.thenAccept(answer -> upload.end());
    bulk.uploadStream(new NioManagedBuffer(head.encoded()), upload, new Answer(taken));
    if (bulk.getChannel().closeFuture().isDone()) {
      upload.end();
    }
    return taken;
  }

  /** Gives up the connection for bytes, and with it all that is on its way. */
  void cutOff() {
    closing = true;
    bulk.close();
  }

  /** Not sent at all then: the transport would log each attempt with a stack trace. */
  private boolean isGone(CompletableFuture<?> future) {
    boolean gone = !control.isActive() || !bulk.isActive() || pending.hasLeft(peer);
    if (gone) {
      fail(future, new IOException("its connection is closed"));
    }
    return gone;
  }

  private void fail(CompletableFuture<?> future, Throwable cause) {
    if (!control.isActive() || !bulk.isActive()) {
      connectionClosed();
    }
    future.completeExceptionally(
        new RunFailure("%s answered: %s".formatted(members.name(peer), firstLine(cause)), cause));
  }

  /** Peers answer errors with their stack trace as text; its first line is the message. */
  private static String firstLine(Throwable cause) {
    String text = String.valueOf(cause.getMessage());
    String line = text.lines().findFirst().orElse(cause.toString());
    return line.replaceFirst("^(?:[\\w$]+\\.)+[\\w$]+(?:Error|Exception|Failure|Bug): ", "");
  }

  @Override
  public void close() {
    closing = true;
    control.close();
    bulk.close();
  }

  /**
   * A contribution on its way. It was read for the last time when the transport lets go of it, when
   * the peer says that it has all of it, or when the connection is closed.
   */
  private final class Upload extends NioManagedBuffer {
    private final AtomicBoolean ended = new AtomicBoolean();

    Upload(ByteBuffer bytes) {
      super(bytes);
      borrowed.beginPushed();
      uploads.add(this);
    }

    @Override
    public ManagedBuffer release() {
      end();
      return super.release();
    }

    void end() {
      if (ended.compareAndSet(false, true)) {
        uploads.remove(this);
        borrowed.end();
      }
    }
  }

  private final class Answer implements RpcResponseCallback {
    private final CompletableFuture<ByteBuffer> future;

    Answer(CompletableFuture<ByteBuffer> future) {
      this.future = future;
    }

    @Override
    public void onSuccess(ByteBuffer response) {
      future.complete(ByteBuffer.allocate(response.remaining()).put(response).flip());
    }

    @Override
    public void onFailure(Throwable cause) {
      fail(future, cause);
    }
  }

  private final class Filling implements StreamCallback {
    private final ByteBuffer into;
    private final CompletableFuture<Void> done;

    Filling(ByteBuffer into, CompletableFuture<Void> done) {
      this.into = into;
      this.done = done;
    }

    @Override
    public void onData(String id, ByteBuffer part) throws IOException {
      if (part.remaining() > into.remaining()) {
        throw new IOException("more bytes than were asked for in " + id);
      }
      into.put(part);
    }

    @Override
    public void onComplete(String id) {
      if (into.hasRemaining()) {
        fail(done, new IOException("%s bytes missing in %s".formatted(into.remaining(), id)));
      } else {
        done.complete(null);
      }
    }

    @Override
    public void onFailure(String id, Throwable cause) {
      fail(done, cause);
    }
  }
}
