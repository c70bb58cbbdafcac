package org.sparkfinetune.engine.exchange;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * Moves bytes between the ranks of one run. All methods may be called from any thread. Every wait
 * is bounded; a future that times out or meets a dead peer fails with a {@link
 * org.sparkfinetune.errors.RunFailure} that names the peer's rank and host, what was waited for and
 * for how long.
 *
 * <p>Four ways, one for each kind of data that training moves:
 *
 * <ul>
 *   <li><b>frozen bytes</b> never change during a run: a peer reads them whenever it wants;
 *   <li><b>published values</b> change once a step: a reader asks for a version and waits until its
 *       owner has it;
 *   <li><b>pushed contributions</b> go to an owner, who takes all ranks' in rank order;
 *   <li><b>sums</b> of a few numbers, the same on every rank to the last bit.
 * </ul>
 *
 * <p>Buffers handed out are read-only, direct or mapped, and little-endian. Futures complete on the
 * exchange's own threads: stages that compute or block belong into {@code thenApplyAsync} with an
 * executor of the caller.
 */
public interface ProcessGroup extends AutoCloseable {
  int rank();

  int worldSize();

  /** Each rank's host, in rank order. */
  List<String> hosts();

  /**
   * Makes {@code shard} this rank's frozen bytes; once a run. Peers that asked earlier are answered
   * now. Its files must not change until the exchange is closed.
   *
   * @throws org.sparkfinetune.errors.RunFailure if a file cannot be read
   */
  void serve(Shard shard);

  /**
   * Bytes {@code [offset, offset + length)} of the shard of {@code peer} (own rank included): a
   * mapped view where the peer's files can be opened here and its nonce is found beside them,
   * otherwise fetched over the network. Asking early is the prefetch. Waits for the peer's {@link
   * #serve}. Valid until the exchange is closed if mapped, until {@link #recycle} if fetched.
   */
  CompletableFuture<ByteBuffer> frozen(int peer, long offset, int length);

  /**
   * Makes {@code bytes} (its remaining part) this rank's value of {@code name} at {@code version},
   * replacing older versions. The buffer is not copied: it must not change until the next version
   * of the name is published. Readers of the old version must be done by then, which a {@link #sum}
   * between reading and publishing ensures. Its memory may be freed after {@link #withdraw}.
   */
  void publish(String name, long version, ByteBuffer bytes);

  /**
   * The value {@code peer} published under {@code name} at {@code version}, waiting until it has.
   */
  CompletableFuture<ByteBuffer> published(int peer, String name, long version);

  /**
   * Sends {@code bytes} to {@code owner} as this rank's contribution to {@code name} at {@code
   * version}. The bytes may be reused once the returned future completes, which it does when the
   * owner has them, or has left the group and needs nothing any more. If it fails they may still be
   * on their way: their memory may be freed after {@link #withdraw}.
   */
  CompletableFuture<Void> push(int owner, String name, long version, ByteBuffer bytes);

  /**
   * All ranks' contributions to {@code name} at {@code version} pushed to this rank, in rank order.
   */
  CompletableFuture<List<ByteBuffer>> pushed(String name, long version);

  /**
   * Every rank's {@code values} added up element by element in rank order; a barrier as well. Calls
   * with the same {@code name} need growing versions.
   */
  double[] sum(String name, long version, double[] values);

  /**
   * Waits for {@code future} and counts the time in {@link ExchangeStats#secondsWaited}. Fails with
   * the future's own exception, unwrapped, and with a RunFailure when the thread is interrupted
   * (its interrupt flag stays set).
   */
  <T> T await(CompletableFuture<T> future);

  /**
   * Gives a buffer from {@link #frozen}, {@link #published} or {@link #pushed} back for reuse; it
   * must not be touched afterwards. Optional: the garbage collector does it too, only later, and
   * direct memory is limited. Does nothing for mapped views and foreign buffers.
   */
  void recycle(ByteBuffer buffer);

  /**
   * Takes back the memory of what this rank published and pushed, so that it may be freed: before a
   * rank ends, and after a failure. Nothing of it is given to peers any more, which meet this rank
   * as lost; what is on its way is waited for, and cut off where a peer does not take it. Sums and
   * small messages still work afterwards. An interrupt does not end the waiting.
   *
   * @return whether nothing reads that memory any more; if not, it must never be freed
   */
  boolean withdraw();

  /**
   * Ends the group because this rank failed: what peers wait for fails at once and names this rank
   * and {@code reason}. Close must still be called.
   */
  void abort(String reason);

  /**
   * The peer whose death or abort ended this group, if one did: what failed here is a consequence.
   */
  Optional<PeerLoss> failure();

  /** What moved so far. */
  ExchangeStats stats();

  /** Leaves the group; peers that still wait for this rank fail. Does not throw. */
  @Override
  void close();

  /** The peer that ended a group, and what is known about why. */
  record PeerLoss(int rank, String host, String reason) implements Serializable {}
}
