package org.sparkfinetune.plan;

import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.train.ActivationBudget.LayerActivations;

/**
 * Bytes of a layer's tensors for one token, as {@code layer_backward} in {@code scripts.py} has
 * them.
 */
final class LayerBuffers {
  private final Workload work;
  private final long hidden;
  private final long inner;
  private final long queries;
  private final long compute;

  LayerBuffers(Workload work) {
    this.work = work;
    this.hidden = work.model().hiddenSize();
    this.inner = work.model().activeIntermediateSize();
    this.queries = work.model().queryWidth();
    this.compute = work.widths().compute();
  }

  /** From a layer's forward to its backward: its input, unless in a file, and what is kept. */
  long kept() {
    long input =
        work.inputsInFile() ? 0 : LayerActivations.input(work.model(), work.widths().stored());
    return input + rest(keep());
  }

  private long rest(LayerKeep keep) {
    return LayerActivations.rest(work.model(), work.widths().compute(), keep);
  }

  private LayerKeep keep() {
    return switch (work.kept().checkpointing()) {
      case ON -> LayerKeep.NOTHING;
      case SELECTIVE -> LayerKeep.ATTENTION;
      case OFF -> LayerKeep.EVERYTHING;
    };
  }

  /** Within a layer's forward of which nothing is kept, where it is largest, in down. */
  long forward() {
    return LayerActivations.rest(work.model(), work.widths().compute(), LayerKeep.EVERYTHING)
        + (inner + hidden) * compute;
  }

  /**
   * Within a layer's backward where it is largest, in down: what is computed again; silu, the
   * product, its gradient and LoRA's; masks, and the masked product; the input as a number
   * computed; DoRA's product and gradients by its lengths. Not the probabilities, 32 MiB at most,
   * that attention in blocks keeps on some processors: which one a rank will have is not known
   * here.
   */
  long backward() {
    long again = rest(LayerKeep.EVERYTHING) - rest(keep());
    long masks = work.dropout() ? (5 * hidden + queries + 2 * inner) * compute : 0;
    long typed = work.widths().stored() == compute && !work.inputsInFile() ? 0 : hidden * compute;
    long dora = work.dora() ? 2 * inner * (compute + Float.BYTES) : 0;
    return again + 4 * inner * compute + masks + typed + dora;
  }
}
