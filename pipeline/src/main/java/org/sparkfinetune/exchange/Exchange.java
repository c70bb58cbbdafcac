package org.sparkfinetune.exchange;

import java.nio.ByteBuffer;
import java.util.List;
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
 */
public interface Exchange extends AutoCloseable {
  int rank();

  int worldSize();

  /**
   * Bytes {@code [offset, offset + length)} of the shard file of {@code peer} (own rank included):
   * a mapped view where the peer's file can be opened here and carries its nonce, otherwise fetched
   * over the network. Read-only, little-endian; valid until the exchange is closed if mapped.
   */
  CompletableFuture<ByteBuffer> frozen(int peer, long offset, int length);

  /**
   * Makes {@code bytes} (its remaining part) this rank's value of {@code name} at {@code version},
   * replacing older versions. The buffer is not copied: it must not change until the next version
   * of the name is published.
   */
  void publish(String name, long version, ByteBuffer bytes);

  /**
   * The value {@code peer} published under {@code name} at {@code version}, waiting until it has.
   */
  CompletableFuture<ByteBuffer> published(int peer, String name, long version);

  /**
   * Sends {@code bytes} to {@code owner} as this rank's contribution to {@code name} at {@code
   * version}. The bytes may be reused once the returned future completes.
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

  @Override
  void close();
}
