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
 * <p>NCCL is not used, and does not fit behind {@link
 * org.sparkfinetune.engine.exchange.ProcessGroup}: it takes device pointers and a stream, all ranks
 * have to call in one order, and a peer that is gone hangs the stream until somebody aborts the
 * communicator; here buffers are the host's, reads are one-sided and at each rank's own pace, and
 * every wait ends. What it could serve lies above: gradients to their owners and the gathering of
 * trained parameters ({@code TrainableGroup}), which all ranks do in the order of layers. Sums
 * would have to be sends and receives that the owner adds in rank order, not NCCL's own reduction,
 * whose order depends on the topology. It is four bytes for each trained weight and step, sent
 * while backward goes on: little with LoRA, the whole model with {@code full}, where it would pay.
 *
 * <p>The decision to question: the transport's own authentication is not enough. It guards requests
 * and uploads but serves streams to whoever asks, so {@link
 * org.sparkfinetune.engine.exchange.ConnectionGuard} stands in front of it.
 */
@NullMarked
package org.sparkfinetune.engine.exchange;

import org.jspecify.annotations.NullMarked;
