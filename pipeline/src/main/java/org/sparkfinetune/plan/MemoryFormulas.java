package org.sparkfinetune.plan;

import org.sparkfinetune.config.Parallelism.ExchangeMode;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.BufferSizes;
import org.sparkfinetune.plan.Memory.Kind;
import org.sparkfinetune.plan.Memory.Lines;

/**
 * The trainer's memory as formulas. Letters: H hidden, L layers, N tokens of a batch, S of a step
 * (or of its groups, if it runs in several), R ranks, V vocabulary, c and s bytes of a number
 * computed and stored, t trained numbers.
 */
final class MemoryFormulas {
  /** Parameters and gradient: float32. */
  private static final int STATE_BYTES = 2 * Float.BYTES;

  /** A JVM with Spark and libtorch, without a model; measured with 768 MB of heap. */
  static final long CPU_PROCESS = 460L << 20;

  /** Of tensors that come and go, what lies in holes between them; measured. */
  private static final double HOLES = 0.4;

  /** Of what oneDNN keeps for a shape; measured. */
  private static final long KERNEL_BYTES = 256 << 10;

  /** Code of the JVM and libtorch. */
  private static final long CPU_LIBRARIES = 95L << 20;

  /** CUDA's context and kernels, and what the caching allocator cannot reuse. */
  private static final long GPU_CONTEXT = 1L << 30;

  private static final double GPU_FRAGMENTS = 0.05;
  private static final long GPU_HOST_PROCESS = 3L << 30;

  private final Workload work;
  private final Device device;
  private final LayerBuffers layer;
  private final long hidden;
  private final long compute;

  MemoryFormulas(Workload work, Device device) {
    this.work = work;
    this.device = device;
    this.layer = new LayerBuffers(work);
    this.hidden = work.model().hiddenSize();
    this.compute = work.widths().compute();
  }

  Memory memory() {
    int onHost = device.ranksOnHost(work.ranks());
    return switch (device.kind()) {
      case CPU -> new Memory(cpu(onHost).all(), new Lines().all(), shard() * onHost, checkpoint());
      case GPU -> new Memory(gpu().all(), host(onHost).all(), shard() * onHost, checkpoint());
    };
  }

  private Lines cpu(int onHost) {
    Lines lines =
        new Lines()
            .addFile(Kind.FROZEN_SHARD, resident(onHost))
            .addFile(Kind.PROCESS, CPU_LIBRARIES);
    return computing(lines)
        .add(Kind.ALLOCATOR, slack())
        .add(Kind.KERNELS, kernels())
        .add(Kind.GRADIENTS, contributions())
        .add(Kind.CHECKPOINT, checkpointCopy())
        .add(Kind.PROCESS, CPU_PROCESS);
  }

  /**
   * glibc's heap moves nothing and gives nothing back: what a layer has used is still there when
   * the head is computed, whose larger tensors do not fit into it, and among what comes and goes
   * are holes. What stays has none.
   */
  private long slack() {
    return Math.min(layerWork(), head()) + Math.round(HOLES * (layerWork() + head()));
  }

  private Lines gpu() {
    Lines lines = computing(new Lines());
    long used = lines.all().stream().mapToLong(Memory.Line::bytes).sum();
    lines.add(Kind.PROCESS, GPU_CONTEXT + Math.round(used * GPU_FRAGMENTS));
    long needed = Memory.peak(lines.all(), Memory.Backing.ANONYMOUS);
    long resident = Residency.of(work, device, needed).resident();
    return lines.addWhereLeft(Kind.FROZEN_SHARD, resident);
  }

  private Lines host(int onHost) {
    return new Lines()
        .addFile(Kind.FROZEN_SHARD, visible(onHost) / onHost)
        .add(Kind.GRADIENTS, contributions())
        .add(Kind.CHECKPOINT, checkpointCopy())
        .add(Kind.PROCESS, GPU_HOST_PROCESS);
  }

  private Lines computing(Lines lines) {
    return lines
        .add(
            Kind.TRAINABLE_STATE,
            (work.trained() * STATE_BYTES + work.momentBytes()) / work.ranks())
        .add(Kind.GRADIENTS, gradients())
        .add(Kind.UNSHARDED_LAYER, unshardedLayer())
        .add(Kind.ACTIVATIONS, activations())
        .add(Kind.LAYER_WORK, layerWork())
        .add(Kind.HEAD, head())
        .add(Kind.EVALUATION, evaluation());
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
   * Of that, what is in memory: a layer leaves it when it is decoded, and the next one is there by
   * then; rows of the embedding stay.
   */
  private long resident(int onHost) {
    long embedding = work.trainsEmbedding() ? 0 : work.embedding() * work.widths().plain();
    return Math.min(visible(onHost), 2 * work.frozenOfLayer() + embedding);
  }

  /**
   * Every rank's part of the gradients of the own slice, until the step ends: R times t / R. Slices
   * longer than a buffer arrive buffer by buffer, a few at a time.
   */
  private long contributions() {
    if (work.ranks() == 1) {
      return 0;
    }
    long layer = Float.BYTES * work.trainedOfLayer();
    long embeddings = Float.BYTES * work.trainedEmbeddings();
    long whole =
        (isLong(layer) ? 0 : work.model().numHiddenLayers() * layer)
            + (isLong(embeddings) ? 0 : embeddings);
    return isLong(layer) || isLong(embeddings)
        ? whole + Math.max(4, 2L * work.ranks()) * Torch.BUFFER_BYTES
        : whole;
  }

  private boolean isLong(long bytes) {
    return bytes / work.ranks() > Torch.BUFFER_BYTES;
  }

  /**
   * Flat gradients: of layers one is being added up while others are sent; those of a trained
   * embedding and head are there beside them. All of them, where groups of batches add to them.
   */
  private long gradients() {
    if (work.groups(device) > 1) {
      return Float.BYTES * work.trained();
    }
    return Float.BYTES
        * ((1L + BufferSizes.GRADIENTS_UNDER_WAY) * work.trainedOfLayer()
            + work.trainedEmbeddings());
  }

  /** Buffers that all layers use in turn; the adapters flat, and cast; two fetched layers. */
  private long unshardedLayer() {
    long cast = compute == Float.BYTES ? 0 : compute;
    long flat = work.ranks() == 1 ? 0 : Float.BYTES;
    long fetched =
        work.ranks() > device.perHost()
                || work.config().parallelism().exchange() == ExchangeMode.NETWORK
                || device.kind() == Device.Kind.GPU && work.ranks() > 1
            ? 2 * work.frozenOfLayer()
            : 0;
    return frozenInCompute() + work.trainedOfLayer() * (flat + cast) + fetched;
  }

  private long frozenInCompute() {
    return work.method() == Method.FULL
        ? 0
        : compute * (work.layerLinears() + work.model().normParametersPerLayer());
  }

  /** What layers keep; the last output; its gradient; cosines and sines. */
  private long activations() {
    long perToken =
        work.model().numHiddenLayers() * layer.kept()
            + hidden * (work.widths().stored() + compute)
            + 2 * work.model().headDim() * compute;
    return work.groupTokens(device) * perToken;
  }

  /** A layer's backward for one batch; gradients of the base, if it is trained. */
  private long layerWork() {
    long base = work.method() == Method.FULL ? Float.BYTES * work.layerLinears() : 0;
    return work.batchTokens(device) * layer.backward() + base;
  }

  /**
   * oneDNN computes products of bfloat16, and keeps what it compiled for each shape. Rows of one
   * data set meet about half of the shapes that there is room for.
   */
  private long kernels() {
    return compute == Float.BYTES ? 0 : KERNEL_BYTES * BufferSizes.KERNELS / 2;
  }

  /**
   * Of all tokens that are evaluated together the input and the output of a layer, and a layer's
   * forward for one batch; then the output and its norm, and pieces of head and logits.
   */
  private long evaluation() {
    if (!work.evaluates()) {
      return 0;
    }
    long tokens = work.evaluatedTokens(device);
    long batch = tokens / BufferSizes.EVALUATED_BATCHES;
    long layers = 2 * tokens * hidden * work.widths().stored() + batch * layer.forward();
    long head = work.trainsHead() ? work.embedding() * compute : device.sizes().headWeightBytes();
    long logits = 2 * device.sizes().logitsBytes();
    return Math.max(layers, tokens * hidden * (work.widths().stored() + compute) + head + logits);
  }

  /** Of a head that is trained or that comes in pieces. */
  private long head() {
    return work.trainsHead() ? trainedHead() : frozenHead();
  }

  /**
   * The head in compute type, and flat if that is another; a gradient of it for every batch, and
   * one on its way into the sum; a chunk of logits and of their gradient.
   */
  private long trainedHead() {
    long flat = compute == Float.BYTES ? 0 : Float.BYTES;
    long gradients = Float.BYTES * (work.batchesOfGroup(device) + 1L);
    return work.embedding() * (compute + flat + gradients)
        + 2 * device.sizes().logitsBytes()
        + aroundHead();
  }

  /**
   * A piece of the head and its logits, and those of them whose target is in it once more. The
   * fewer tokens are trained, the larger the piece: this is the most.
   */
  private long frozenHead() {
    long vocabulary = work.model().vocabSize();
    long piece =
        Math.max(BufferSizes.LEAST_HEAD_ROWS * hidden * compute, device.sizes().headWeightBytes());
    long logits =
        Math.min(
            vocabulary * work.batchTokens(device) * Float.BYTES,
            Math.max(
                BufferSizes.LEAST_HEAD_ROWS * work.batchTokens(device) * Float.BYTES,
                device.sizes().logitsBytes()));
    return Math.min(vocabulary * hidden * compute, piece) + 2 * logits + aroundHead();
  }

  /**
   * Of all trained positions the normed input, the product and the target's row, and of all tokens
   * the gradient before the norm; of one batch three float32 tensors of the norm's backward.
   */
  private long aroundHead() {
    return work.groupTokens(device) * hidden * (3 * compute + Float.BYTES)
        + work.batchTokens(device) * hidden * 3 * Float.BYTES;
  }

  /** On the host, of the own slice; all checkpoints use the same. */
  private long checkpointCopy() {
    return work.saves() ? checkpoint() / work.ranks() : 0;
  }

  /** Parameters and moments. */
  private long checkpoint() {
    return Float.BYTES * work.trained() + work.momentBytes();
  }
}
