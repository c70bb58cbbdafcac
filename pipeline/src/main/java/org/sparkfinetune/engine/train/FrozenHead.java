package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.engine.fsdp.FrozenReader;
import org.sparkfinetune.engine.tensor.Ops.HeadChunk;
import org.sparkfinetune.engine.tensor.Ops.HeadGradients;
import org.sparkfinetune.engine.tensor.Ops.HeadLoss;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
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
  private final int leastRows;
  private final long weightBytes;

  FrozenHead(Ops ops, Precision precision, Weights weights, String group, NamedShape head) {
    this(
        ops,
        precision,
        weights,
        group,
        head,
        BufferSizes.LEAST_HEAD_ROWS,
        BufferSizes.HEAD_WEIGHT_BYTES);
  }

  FrozenHead(
      Ops ops,
      Precision precision,
      Weights weights,
      String group,
      NamedShape head,
      int leastRows,
      long weightBytes) {
    this.leastRows = leastRows;
    this.weightBytes = weightBytes;
    this.ops = ops;
    this.precision = precision;
    this.weights = weights;
    this.group = group;
    this.head = head;
  }

  /** For each part the sum of its losses and the gradient of {@code factor * sum}. */
  List<HeadLoss> losses(
      Scope scope, List<HeadOfModel.Part> parts, double factor, HeadGradients want) {
    List<HeadChunk.State> states = new ArrayList<>();
    for (HeadOfModel.Part part : parts) {
      states.add(ops.headBegin(scope, part.normed(), want));
    }
    int vocabulary = (int) head.dimensions()[0];
    int rows = rowsOfChunk(parts);
    try (Scope local = scope.child()) {
      Tensor memory = ops.empty(local, precision.compute(), rows, width());
      List<FrozenReader.RangePart> next = fetch(0, Math.min(rows, vocabulary));
      for (int first = 0; first < vocabulary; first += rows) {
        int count = Math.min(rows, vocabulary - first);
        unshard(next, memory);
        int left = vocabulary - first - count;
        next = left > 0 ? fetch(first + count, Math.min(rows, left)) : List.of();
        try (Scope chunk = local.child()) {
          Tensor w = ops.view(chunk, ops.flat(chunk, memory), 0, count, width());
          for (int i = 0; i < parts.size(); i++) {
            step(chunk, parts.get(i), states.get(i), w, first, count);
          }
        }
      }
    }
    List<HeadLoss> losses = new ArrayList<>();
    for (int i = 0; i < parts.size(); i++) {
      losses.add(ops.headFinish(scope, states.get(i), factor, parts.get(i).targets().length));
    }
    return losses;
  }

  private void step(
      Scope scope, HeadOfModel.Part part, HeadChunk.State state, Tensor w, int first, int count) {
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
    ops.headChunk(scope, state, new HeadChunk(w, ops.ofInts(scope, rows), ops.ofInts(scope, ids)));
  }

  private void unshard(List<FrozenReader.RangePart> parts, Tensor memory) {
    ops.torch()
        .times()
        .in(Weights.UNSHARD, () -> weights.frozen().decodeRange(group, parts, memory));
  }

  private List<FrozenReader.RangePart> fetch(int firstRow, int rows) {
    return weights.frozen().fetchRange(group, head, firstRow * width(), rows * width());
  }

  private long width() {
    return head.dimensions()[1];
  }

  private int rowsOfChunk(List<HeadOfModel.Part> parts) {
    long longest = parts.stream().mapToLong(part -> part.normed().size(0)).max().orElse(1);
    long byWeight = weightBytes / (width() * precision.compute().bytes());
    long byLogits = BufferSizes.LOGITS_BYTES / Float.BYTES / Math.max(1, longest);
    // A power of two, so that chunks have few sizes.
    long rows = Math.max(leastRows, Long.highestOneBit(Math.min(byWeight, byLogits)));
    return (int) Math.min(rows, head.dimensions()[0]);
  }
}
