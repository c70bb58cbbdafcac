package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Supplier;
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
    int chunk = BufferSizes.logitsTokens(config.vocabSize(), ops.torch().device().sizes());
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
}
