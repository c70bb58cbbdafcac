package org.sparkfinetune.plan;

import org.sparkfinetune.config.TrainConfig.GradientCheckpointing;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.model.family.DecoderConfig;

/**
 * What a layer of {@code scripts.py} asks of a GPU beside products and attention, in its forward
 * and its backward together: memory traffic and kernels to start. Traffic is counted over the
 * scripts by {@code .ci/gpu-scripts --device cpu}, in bfloat16.
 */
final class LayerKernels {
  /** Of CUDA, with libtorch's work for an operator. */
  static final double LAUNCH_SECONDS = 5e-6;

  /** Kernels of a layer's forward. */
  private static final int FORWARD = 45;

  /** Memory traffic to make an element of a mask by one kernel, at most. */
  private static final double MASK_BYTES = 4;

  private final Workload work;
  private final DecoderConfig model;

  LayerKernels(Workload work) {
    this.work = work;
    this.model = work.model();
  }

  /** Bytes of a token to and from memory for each number of these widths. */
  private record Traffic(double hidden, double inner, double queries, double keys) {
    Traffic and(Traffic other) {
      return new Traffic(
          hidden + other.hidden, inner + other.inner, queries + other.queries, keys + other.keys);
    }
  }

  private static final Traffic FORWARD_TRAFFIC = new Traffic(32.1, 10.0, 14.0, 14.0);

  private static Traffic backward(GradientCheckpointing kept) {
    return switch (kept) {
      case ON -> new Traffic(172.6, 34.5, 40.3, 41.0);
      case SELECTIVE -> new Traffic(166.6, 34.5, 26.3, 27.0);
      case OFF -> new Traffic(146.6, 34.5, 26.3, 27.0);
    };
  }

  /** What multiplying with masks adds, forward and backward. */
  private static Traffic masked(GradientCheckpointing kept) {
    return switch (kept) {
      case ON -> new Traffic(130, 20, 26, 0);
      case SELECTIVE -> new Traffic(112, 20, 20, 0);
      case OFF -> new Traffic(100, 20, 20, 0);
    };
  }

  /** Kernels of a layer's forward and backward. */
  int count() {
    return FORWARD
        + switch (work.kept().checkpointing()) {
          case ON -> 177;
          case SELECTIVE -> 157;
          case OFF -> 138;
        };
  }

  /** Bytes of a token that norms, activations, rotations and sums read and write. */
  double elementwiseBytes() {
    return bytes(FORWARD_TRAFFIC.and(backward(work.kept().checkpointing())));
  }

  /** Bytes of a token for dropout: masks are made in both directions, and multiplied with. */
  double dropoutBytes() {
    if (work.method() == Method.FULL || !work.dropout()) {
      return 0;
    }
    double elements =
        5.0 * model.hiddenSize() + model.queryWidth() + model.activeIntermediateSize();
    return bytes(masked(work.kept().checkpointing())) + 2 * MASK_BYTES * elements;
  }

  private double bytes(Traffic traffic) {
    double bfloat16 =
        traffic.hidden() * model.hiddenSize()
            + traffic.inner() * model.activeIntermediateSize()
            + traffic.queries() * model.queryWidth()
            + traffic.keys() * model.keyWidth();
    return bfloat16 * work.widths().compute() / Short.BYTES;
  }
}
