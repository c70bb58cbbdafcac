package org.sparkfinetune.plan;

/**
 * Bytes of a layer's tensors for one token, as {@code layer_backward} in {@code scripts.py} has
 * them. Letters: H hidden, I intermediate, Q and K the widths of queries and keys, c and s bytes of
 * a number computed and stored.
 */
final class LayerBuffers {
  private final Workload work;
  private final long hidden;
  private final long inner;
  private final long queries;
  private final long keys;
  private final long compute;

  LayerBuffers(Workload work) {
    this.work = work;
    this.hidden = work.model().hiddenSize();
    this.inner = work.model().intermediateSize();
    this.queries = (long) work.model().numAttentionHeads() * work.model().headDim();
    this.keys = (long) work.model().numKeyValueHeads() * work.model().headDim();
    this.compute = work.widths().compute();
  }

  /** From a layer's forward to its backward: its input, unless in a file, and what is kept. */
  long kept() {
    long input = work.inputsInFile() ? 0 : hidden * work.widths().stored();
    return input
        + switch (work.kept().checkpointing()) {
          case ON -> 0;
          case SELECTIVE -> attended();
          case OFF -> attended() + rest();
        };
  }

  /** q, k, v, attention, its sums, h: (2Q + 2K + H) c and a float32 for each head. */
  private long attended() {
    return (2 * queries + 2 * keys + hidden) * compute
        + (long) Float.BYTES * work.model().numAttentionHeads();
  }

  /** n1, n2, gate, up: (2H + 2I) c. */
  private long rest() {
    return (2 * hidden + 2 * inner) * compute;
  }

  /**
   * Within a layer's backward where it is largest, in down: what is computed again; silu, the
   * product, its gradient and LoRA's; masks, and the masked product; the input as a number
   * computed.
   */
  long backward() {
    long again =
        switch (work.kept().checkpointing()) {
          case ON -> attended() + rest();
          case SELECTIVE -> rest();
          case OFF -> 0;
        };
    long masks = work.dropout() ? (5 * hidden + queries + 2 * inner) * compute : 0;
    long typed = work.widths().stored() == compute && !work.inputsInFile() ? 0 : hidden * compute;
    return again + 4 * inner * compute + masks + typed;
  }
}
