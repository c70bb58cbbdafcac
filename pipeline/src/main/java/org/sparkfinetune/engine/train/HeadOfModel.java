package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.sparkfinetune.engine.fsdp.FrozenReader;
import org.sparkfinetune.engine.tensor.HeadOps;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.peft.LoraTargets;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * The last norm, the head and the loss; only trained positions reach the head. A frozen head is
 * read and decoded in chunks of its vocabulary, once for all batches, and never exists whole.
 */
final class HeadOfModel {
  private final Ops ops;
  private final Precision precision;
  private final DecoderConfig config;
  private final Weights weights;
  private final FrozenHead frozen;
  private final HeadOps.LossOptions options;

  /**
   * @param smoothing {@code label_smoothing_factor}
   */
  HeadOfModel(
      Ops ops, Precision precision, DecoderConfig config, Weights weights, double smoothing) {
    this.ops = ops;
    this.precision = precision;
    this.config = config;
    this.weights = weights;
    this.options =
        new HeadOps.LossOptions(config.family().softCaps().logits(), smoothing, config.vocabSize());
    this.frozen = new FrozenHead(ops, precision, weights, group(), shape(), options);
  }

  private int norm() {
    return config.family().normWeight().ordinal();
  }

  private String group() {
    return weights.hasHead() ? ModelGroups.HEAD : ModelGroups.EMBED;
  }

  /** The group that the head's gradient belongs to, if it is trained. */
  String trainedGroup() {
    return tokensAreHead() ? ModelGroups.TOKENS : group();
  }

  /** Name of the tensor that the head's gradient is of: the head, or some rows of it. */
  String weight() {
    return tokensAreHead() ? LoraTargets.TOKEN_ROWS : shape().name();
  }

  /** A head that is tied to the embedding has its trained rows, as in PEFT. */
  private boolean tokensAreHead() {
    return !weights.hasHead() && weights.trainable(ModelGroups.TOKENS).isPresent();
  }

  private NamedShape shape() {
    return weights.hasHead() ? DecoderWeights.lmHead(config) : DecoderWeights.embedTokens(config);
  }

  /** Sum of losses over the batches' trained positions. */
  double loss(List<TokenBatch> batches, List<Tensor> x, long version) {
    try (Scope scope = ops.torch().scope()) {
      return losses(scope, batches, x, version).stream().mapToDouble(HeadOps.Loss::sum).sum();
    }
  }

  /** Of each batch the losses of its trained tokens, in their order. */
  List<float[]> tokenLosses(List<TokenBatch> batches, List<Tensor> x, long version) {
    try (Scope scope = ops.torch().scope()) {
      return losses(scope, batches, x, version).stream()
          .map(loss -> ops.hostMemory().toHost(scope, loss.losses()).toFloats())
          .toList();
    }
  }

  private List<HeadOps.Loss> losses(
      Scope scope, List<TokenBatch> batches, List<Tensor> x, long version) {
    List<Part> parts = parts(scope, batches, x, norm(scope, version));
    Weighing none = (part, losses) -> ops.head().sameWeights(scope, 0);
    return losses(scope, parts, none, version, HeadOps.Gradients.NONE);
  }

  /** What trained tokens count in the loss of a step. */
  sealed interface TokenWeights {
    /** All the same. */
    record Same(double factor) implements TokenWeights {}

    /** A number for each trained token of a batch, which may follow from their losses. */
    record OfLosses(BiFunction<TokenBatch, float[], float[]> weights) implements TokenWeights {}
  }

  /** The weights of a part's tokens; their losses are computed if they are asked for. */
  interface Weighing {
    HeadOps.LossWeights of(int part, Supplier<Tensor> losses);
  }

  private Weighing weighing(Scope scope, List<TokenBatch> batches, TokenWeights weights) {
    if (weights instanceof TokenWeights.OfLosses byLosses) {
      return (part, losses) -> {
        float[] known = ops.hostMemory().toHost(scope, losses.get()).toFloats();
        return ops.head().weights(scope, byLosses.weights().apply(batches.get(part), known));
      };
    }
    double factor = ((TokenWeights.Same) weights).factor();
    return (part, losses) -> ops.head().sameWeights(scope, factor);
  }

  /**
   * What going through the head and back gives.
   *
   * @param sum of the losses, each counted once
   * @param dx (N, H), of the weighted losses
   * @param dNorm (H) float32
   * @param dHead (V, H) float32, or of its trained rows; empty if not wanted
   */
  record Backward(double sum, Tensor dx, Tensor dNorm, Tensor dHead) {}

  /**
   * Loss and gradients of every batch.
   *
   * @param x what the last layer gave for each batch, (N, H)
   */
  List<Backward> lossAndGradients(
      Scope scope,
      List<TokenBatch> batches,
      List<Tensor> x,
      TokenWeights weights,
      long version,
      HeadOps.Gradients want) {
    Tensor norm = norm(scope, version);
    List<Part> parts = parts(scope, batches, x, norm);
    List<HeadOps.Loss> losses =
        losses(scope, parts, weighing(scope, batches, weights), version, want);
    List<Backward> all = new ArrayList<>();
    for (int i = 0; i < parts.size(); i++) {
      all.add(backward(scope, batches.get(i), x.get(i), norm, losses.get(i)));
    }
    return all;
  }

  private Backward backward(
      Scope scope, TokenBatch batch, Tensor x, Tensor norm, HeadOps.Loss loss) {
    Tensor typed = ops.cast(scope, x, precision.compute());
    Tensor dNormed = ops.zeros(scope, precision.compute(), x.size(0), x.size(1));
    if (batch.trainedTokens() > 0) {
      ops.addRows(
          scope, dNormed, ops.ofInts(scope, batch.trainedPositions()), loss.inputGradient());
    }
    Tensor scaled = ops.times(scope, dNormed, config.family().scales().logits());
    var back = ops.rmsNormBackward(scope, scaled, typed, norm, config.rmsNormEps(), norm());
    return new Backward(loss.sum(), back.get(0), back.get(1), loss.weightGradient());
  }

  private Tensor norm(Scope scope, long version) {
    return weights.whole(scope, ModelGroups.NORM, version).tensor(DecoderWeights.FINAL_NORM);
  }

  /**
   * The trained positions of a batch.
   *
   * @param normed (N, H) after the last norm, with the logits' scale, and padding behind the
   *     trained positions
   * @param targets (n)
   */
  record Part(Tensor normed, int[] targets) {}

  private List<Part> parts(Scope scope, List<TokenBatch> batches, List<Tensor> x, Tensor norm) {
    List<Part> parts = new ArrayList<>();
    for (int i = 0; i < batches.size(); i++) {
      TokenBatch batch = batches.get(i);
      int[] positions = batch.trainedPositions();
      int[] targets = new int[positions.length];
      for (int t = 0; t < targets.length; t++) {
        targets[t] = batch.targets()[positions[t]];
      }
      try (Scope local = scope.child()) {
        Tensor selected = ops.selectRows(local, x.get(i), ops.ofInts(local, positions));
        Tensor padded = ops.padRows(local, selected, BufferSizes.padded(positions.length));
        Tensor typed = ops.cast(local, padded, precision.compute());
        Tensor normed = ops.rmsNorm(local, typed, norm, config.rmsNormEps(), norm());
        Tensor scaled = ops.times(local, normed, config.family().scales().logits());
        parts.add(new Part(scaled.moveTo(scope), targets));
      }
    }
    return parts;
  }

  private List<HeadOps.Loss> losses(
      Scope scope, List<Part> parts, Weighing weighing, long version, HeadOps.Gradients want) {
    if (weights.trainable(group()).isEmpty()) {
      Optional<Weights.TokenRows> rows =
          tokensAreHead() ? weights.tokenRows(scope, version) : Optional.empty();
      return frozen.losses(scope, parts, weighing, want, rows);
    }
    int chunk = BufferSizes.logitsTokens(config.vocabSize());
    Tensor head = weights.whole(scope, group(), version).tensor(weight());
    List<HeadOps.Loss> losses = new ArrayList<>();
    for (int i = 0; i < parts.size(); i++) {
      Tensor x = parts.get(i).normed();
      Tensor targets = ops.ofInts(scope, parts.get(i).targets());
      HeadOps.LossWeights weight =
          weighing.of(
              i,
              () ->
                  ops.head()
                      .loss(
                          scope,
                          x,
                          head,
                          targets,
                          ops.head().sameWeights(scope, 0),
                          chunk,
                          options,
                          HeadOps.Gradients.NONE)
                      .losses());
      losses.add(ops.head().loss(scope, x, head, targets, weight, chunk, options, want));
    }
    return losses;
  }

  /**
   * Cross-entropy against a frozen head, vocabulary chunk by vocabulary chunk: maximum, sum of
   * exponentials and the exponentials' product with the head are kept up as an online softmax (as
   * in FlashAttention, arXiv:2205.14135, algorithm 1), so that each chunk is read and multiplied
   * once and logits never exist for the whole vocabulary.
   */
  static final class FrozenHead {
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
          BufferSizes.HEAD_WEIGHT_BYTES);
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
        List<FrozenReader.RangePart> next = fetch(0, Math.min(rows, vocabulary));
        for (int first = 0; first < vocabulary; first += rows) {
          int count = Math.min(rows, vocabulary - first);
          unshard(next, memory);
          int from = first;
          trained.ifPresent(own -> replace(local, memory, from, count, own));
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
}
