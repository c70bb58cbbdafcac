/**
 * Moves bytes between the ranks of a run: serve and fetch frozen shards (or map a peer's file on
 * the same host), publish versioned values, push gradients to their owners, add up a few numbers.
 *
 * <p>May use Spark's transport ({@code org.apache.spark.network}) and nothing else of Spark: it is
 * on every cluster already, authenticates and encrypts as the cluster does, and was measured as
 * fast as plain sockets. Hand-written on top of it because no library on the JVM offers one-sided
 * reads and ordered reductions between Spark tasks. JNA, which DJL brings, is for one call of the
 * kernel's that Java has no word for, in {@link
 * org.sparkfinetune.engine.exchange.MappedFile.ResidentPages}.
 *
 * <p>NCCL does not fit behind {@link org.sparkfinetune.engine.exchange.ProcessGroup}: it takes
 * device pointers and a stream, all ranks have to call in one order, and a peer that is gone hangs
 * the stream until somebody aborts the communicator; here buffers are the host's, reads are
 * one-sided and at each rank's own pace, and every wait ends. It stands beside it, for gradients
 * between GPUs of one host ({@code DeviceCollectives} in {@code fsdp}): the one exchange that all
 * ranks do equally often and in one order. Ranks find each other for it through this package, and
 * learn from it that a peer is gone. What else ranks read of each other stays here:
 *
 * <ul>
 *   <li>frozen bytes, which a rank asks for when it comes to a layer, or not at all where they stay
 *       on its GPU; on one host they are mapped files;
 *   <li>trained parameters. Ranks do not gather them equally often: a step runs in as many groups
 *       of batches as a rank's tokens need ({@code ActivationBudget}), an evaluation may have rows
 *       for some ranks and none for others, and the result is gathered by rank 0 alone ({@code
 *       AdapterSaver}).
 * </ul>
 *
 * <p>The decision to question: the transport's own authentication is not enough. It guards requests
 * and uploads but serves streams to whoever asks, so {@link
 * org.sparkfinetune.engine.exchange.ConnectionGuard} stands in front of it.
 */
@NullMarked
package org.sparkfinetune.engine.exchange;

import org.jspecify.annotations.NullMarked;
