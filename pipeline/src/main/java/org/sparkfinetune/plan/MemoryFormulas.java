package org.sparkfinetune.plan;

import org.sparkfinetune.config.ExchangeMode;
import org.sparkfinetune.config.Method;
import org.sparkfinetune.plan.Memory.Kind;
import org.sparkfinetune.plan.Memory.Lines;
import org.sparkfinetune.plan.Workload.Offload;

/**
 * The trainer's memory as formulas. Letters: H hidden, I intermediate, Q and K the widths of
 * queries and keys, T tokens of a micro-batch, M micro-batches, L layers, R ranks, V vocabulary, c
 * and s bytes of a number computed and stored, t trained numbers.
 */
final class MemoryFormulas {
  /** Parameters, two moments, gradient: float32. */
  private static final int STATE_BYTES = 16;

  /** Of the flat gradients of groups, one is being added up and two are being sent. */
  private static final int GRADIENTS_UNDER_WAY = 3;

  /** A chunk of logits in float32, as the head makes it; in a shorter type it is there twice. */
  private static final long LOGITS = 32L << 20;

  /** Bytes of a frozen head that are decoded at a time, and its rows at least. */
  private static final long HEAD_PIECE = 64L << 20;

  private static final long HEAD_ROWS = 256;

  /** A JVM with Spark and libtorch, without the model; measured with 768 MB of heap. */
  static final long CPU_PROCESS = 780L << 20;

  private static final double HOLES = 2.5;

  /** Code of the JVM and libtorch. */
  private static final long CPU_LIBRARIES = 95L << 20;

  /** CUDA's context and kernels, and what the caching allocator cannot reuse. */
  private static final long GPU_CONTEXT = 1L << 30;

  private static final double GPU_FRAGMENTS = 0.05;
  private static final long GPU_HOST_PROCESS = 3L << 30;

  private final Workload work;
  private final Device device;
  private final long hidden;
  private final long inner;
  private final long queries;
  private final long keys;
  private final long compute;

  MemoryFormulas(Workload work, Device device) {
    this.work = work;
    this.device = device;
    this.hidden = work.model().hiddenSize();
    this.inner = work.model().intermediateSize();
    this.queries = (long) work.model().numAttentionHeads() * work.model().headDim();
    this.keys = (long) work.model().numKeyValueHeads() * work.model().headDim();
    this.compute = work.computeBytes();
  }

  Memory memory() {
    int onHost = Math.min(work.ranks(), device.perHost());
    return switch (device.kind()) {
      case CPU -> new Memory(cpu(onHost).all(), new Lines().all(), shard() * onHost, checkpoint());
      case GPU -> new Memory(gpu().all(), host(onHost).all(), shard() * onHost, checkpoint());
    };
  }

  private Lines cpu(int onHost) {
    Lines lines =
        new Lines()
            .addFile(Kind.FROZEN_SHARD, visible(onHost))
            .addFile(Kind.PROCESS, CPU_LIBRARIES);
    return computing(lines)
        .add(Kind.GRADIENTS, contributions())
        .add(Kind.ALLOCATOR, slack())
        .add(Kind.PROCESS, CPU_PROCESS);
  }

  private Lines gpu() {
    Lines lines = new Lines();
    if (work.offload() == Offload.ON_DEVICE) {
      lines.add(Kind.FROZEN_SHARD, shard());
    }
    computing(lines);
    long used = lines.all().stream().mapToLong(Memory.Line::bytes).sum();
    return lines.add(Kind.PROCESS, GPU_CONTEXT + Math.round(used * GPU_FRAGMENTS));
  }

  private Lines host(int onHost) {
    return new Lines()
        .addFile(Kind.FROZEN_SHARD, visible(onHost) / onHost)
        .add(Kind.GRADIENTS, contributions())
        .add(Kind.PROCESS, GPU_HOST_PROCESS);
  }

  private Lines computing(Lines lines) {
    return lines
        .add(Kind.TRAINABLE_STATE, work.trained() * STATE_BYTES / work.ranks())
        .add(Kind.GRADIENTS, GRADIENTS_UNDER_WAY * Float.BYTES * work.largestTrainedGroup())
        .add(Kind.UNSHARDED_LAYER, unshardedLayer())
        .add(Kind.ACTIVATIONS, activations())
        .add(Kind.LAYER_WORK, layerWork())
        .add(Kind.HEAD, head());
  }

  private long shard() {
    return work.frozen() / work.ranks();
  }

  /** What a process maps: on one host the peers' files too, unless they are fetched. */
  private long visible(int onHost) {
    return work.config().parallelism().exchange() == ExchangeMode.NETWORK
        ? shard()
        : shard() * onHost;
  }

  /**
   * What is kept of one micro-batch lies between what another needs for a moment and gives back, so
   * glibc's heap is full of holes; with one micro-batch a step it is not. Measured.
   */
  private long slack() {
    return work.batches() > 1 ? Math.round(HOLES * activations()) : 0;
  }

  /** Every rank's part of the gradients of the own slice, until the step ends: R times t / R. */
  private long contributions() {
    return Float.BYTES * work.trained();
  }

  /** Buffers that all layers use in turn; the adapters flat, and cast; two fetched layers. */
  private long unshardedLayer() {
    long trained = work.trainedOfLayer() * (Float.BYTES + (compute == Float.BYTES ? 0 : compute));
    long fetched =
        work.ranks() > device.perHost()
                || work.config().parallelism().exchange() == ExchangeMode.NETWORK
                || device.kind() == Device.Kind.GPU && work.ranks() > 1
            ? 2 * work.frozenOfLayer()
            : 0;
    return frozenInCompute() + trained + fetched;
  }

  private long frozenInCompute() {
    return work.method() == Method.FULL
        ? 0
        : compute * (work.layerLinears() + 2L * work.model().hiddenSize());
  }

  /** Layer inputs and the output; dx; cosines and sines. */
  private long activations() {
    long tokens = work.stepTokens();
    long inputs = (work.model().numHiddenLayers() + 1L) * tokens * hidden * work.storedBytes();
    return inputs + tokens * hidden * compute + 2 * tokens * work.model().headDim() * compute;
  }

  /**
   * A layer's backward where it is largest, between down and gate: x, n1, h, n2, y and the norms'
   * inputs, q, k, v and attention; gate, up, silu, their products and gradients; masks; gradients
   * of the base, if it is trained.
   */
  private long layerWork() {
    long kept = 9 * hidden + 3 * queries + 2 * keys + 2 * inner;
    long masks = work.dropout() ? 5 * hidden + queries + inner : 0;
    long backward = 4 * inner + 3 * hidden;
    long base = work.method() == Method.FULL ? Float.BYTES * work.layerLinears() : 0;
    return work.batchTokens() * compute * (kept + masks + backward) + base;
  }

  /**
   * A frozen head comes in pieces, with the trained positions of all micro-batches before and after
   * it; a trained one is there whole, with its gradient.
   */
  private long head() {
    long logits = LOGITS * (compute == Float.BYTES ? 1 : 2);
    if (work.trainsHead()) {
      return work.embedding() * (compute + 2 * Float.BYTES)
          + logits
          + 5 * work.batchTokens() * hidden * compute;
    }
    long piece = Math.max(HEAD_PIECE, HEAD_ROWS * hidden * compute);
    return Math.min(work.embedding() * compute, piece)
        + logits
        + work.stepTokens() * hidden * (3 * compute + Float.BYTES);
  }

  /** Parameters and moments. */
  private long checkpoint() {
    return 3L * Float.BYTES * work.trained();
  }
}
