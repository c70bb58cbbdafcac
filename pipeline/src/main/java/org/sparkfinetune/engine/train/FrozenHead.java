package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.sparkfinetune.engine.fsdp.FrozenReader;
import org.sparkfinetune.engine.tensor.HeadOps;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.train.HeadOfModel.Weighing;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * Cross-entropy against a frozen head, vocabulary chunk by vocabulary chunk: maximum, sum of
 * exponentials and the exponentials' product with the head are kept up as an online softmax (as in
 * FlashAttention, arXiv:2205.14135, algorithm 1), so that each chunk is read and multiplied once
 * and logits never exist for the whole vocabulary.
 */
final class FrozenHead {
  private final Ops ops;
  private final Precision precision;
  private final Weights weights;
  private final String group;
  private final NamedShape head;
  private final HeadOps.LossOptions options;
  private final int leastRows;
  private final long weightBytes;

  FrozenHead(
      Ops ops,
      Precision precision,
      Weights weights,
      String group,
      NamedShape head,
      HeadOps.LossOptions options) {
    this(
        ops,
        precision,
        weights,
        group,
        head,
        options,
        BufferSizes.LEAST_HEAD_ROWS,
        ops.torch().device().sizes().headWeightBytes());
  }

  FrozenHead(
      Ops ops,
      Precision precision,
      Weights weights,
      String group,
      NamedShape head,
      HeadOps.LossOptions options,
      int leastRows,
      long weightBytes) {
    this.leastRows = leastRows;
    this.weightBytes = weightBytes;
    this.ops = ops;
    this.precision = precision;
    this.weights = weights;
    this.group = group;
    this.head = head;
    this.options = options;
  }

  /**
   * For each part its losses and the gradient of what they sum up to by their weights.
   *
   * @param trained rows of the head, if some are; their gradient is among the result then
   */
  List<HeadOps.Loss> losses(
      Scope scope,
      List<HeadOfModel.Part> parts,
      Weighing weighing,
      HeadOps.Gradients want,
      Optional<Weights.TokenRows> trained) {
    List<HeadOps.Chunk.State> states = new ArrayList<>();
    for (HeadOfModel.Part part : parts) {
      states.add(ops.head().begin(scope, part.normed(), options, want));
    }
    int vocabulary = (int) head.dimensions()[0];
    int rows = rowsOfChunk(parts);
    try (Scope local = scope.child()) {
      Tensor memory = ops.empty(local, precision.compute(), rows, width());
      FrozenReader.Range next = fetch(0, Math.min(rows, vocabulary));
      for (int first = 0; first < vocabulary; first += rows) {
        int count = Math.min(rows, vocabulary - first);
        unshard(next, memory);
        int from = first;
        trained.ifPresent(own -> replace(local, memory, from, count, own));
        int left = vocabulary - first - count;
        if (left > 0) {
          next = fetch(first + count, Math.min(rows, left));
        }
        try (Scope chunk = local.child()) {
          Tensor w = ops.view(chunk, ops.flat(chunk, memory), 0, count, width());
          for (int i = 0; i < parts.size(); i++) {
            step(chunk, parts.get(i), states.get(i), w, first, count);
          }
        }
      }
    }
    List<HeadOps.Loss> losses = new ArrayList<>();
    for (int i = 0; i < parts.size(); i++) {
      HeadOps.Chunk.State state = states.get(i);
      int[] targets = parts.get(i).targets();
      HeadOps.LossWeights weight =
          weighing.of(i, () -> ops.head().losses(scope, state, targets.length));
      Optional<Tensor> ofRows =
          trained
              .filter(own -> want == HeadOps.Gradients.INPUT_AND_WEIGHT)
              .map(own -> gradient(scope, state, targets, weight, own));
      HeadOps.Loss loss = ops.head().finish(scope, state, weight, targets.length);
      losses.add(
          new HeadOps.Loss(
              loss.sum(),
              loss.inputGradient(),
              ofRows.orElse(loss.weightGradient()),
              loss.losses()));
    }
    return losses;
  }

  private Tensor gradient(
      Scope scope,
      HeadOps.Chunk.State state,
      int[] targets,
      HeadOps.LossWeights weight,
      Weights.TokenRows own) {
    Tensor ids = ops.ofInts(scope, ints(own.ids()));
    HeadOps.Chunk rows = new HeadOps.Chunk(own.rows(), ids, ids, options);
    return ops.head().rowGradient(scope, state, rows, ops.ofInts(scope, targets), weight);
  }

  /** Puts trained rows into the chunk that begins with row {@code first}. */
  private void replace(Scope scope, Tensor chunk, int first, int count, Weights.TokenRows own) {
    int[] at =
        IntStream.range(0, own.ids().size())
            .filter(i -> own.ids().get(i) >= first && own.ids().get(i) < first + count)
            .toArray();
    if (at.length > 0) {
      int[] to = Arrays.stream(at).map(i -> own.ids().get(i) - first).toArray();
      Tensor rows = ops.selectRows(scope, own.rows(), ops.ofInts(scope, at));
      ops.setRows(scope, chunk, ops.ofInts(scope, to), rows);
    }
  }

  private static int[] ints(List<Integer> values) {
    return values.stream().mapToInt(Integer::intValue).toArray();
  }

  private void step(
      Scope scope,
      HeadOfModel.Part part,
      HeadOps.Chunk.State state,
      Tensor w,
      int first,
      int count) {
    int[] targets = part.targets();
    int inside = 0;
    for (int target : targets) {
      inside += target >= first && target < first + count ? 1 : 0;
    }
    int[] rows = new int[inside];
    int[] ids = new int[inside];
    int n = 0;
    for (int row = 0; row < targets.length; row++) {
      if (targets[row] >= first && targets[row] < first + count) {
        rows[n] = row;
        ids[n++] = targets[row] - first;
      }
    }
    ops.head()
        .add(
            scope,
            state,
            new HeadOps.Chunk(w, ops.ofInts(scope, rows), ops.ofInts(scope, ids), options));
  }

  private void unshard(FrozenReader.Range range, Tensor memory) {
    ops.torch().times().in(Weights.UNSHARD, () -> weights.frozen().decodeRange(range, memory));
  }

  private FrozenReader.Range fetch(int firstRow, int rows) {
    return weights.frozen().fetchRange(group, head, firstRow * width(), rows * width());
  }

  private long width() {
    return head.dimensions()[1];
  }

  private int rowsOfChunk(List<HeadOfModel.Part> parts) {
    long longest = parts.stream().mapToLong(part -> part.normed().size(0)).max().orElse(1);
    long byWeight = weightBytes / (width() * precision.compute().bytes());
    long byLogits = ops.torch().device().sizes().logitsBytes() / Float.BYTES / Math.max(1, longest);
    // A power of two, so that chunks have few sizes.
    long rows = Math.max(leastRows, Long.highestOneBit(Math.min(byWeight, byLogits)));
    return (int) Math.min(rows, head.dimensions()[0]);
  }
}
