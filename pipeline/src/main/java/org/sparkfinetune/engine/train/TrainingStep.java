package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.tensor.HeadOps;
import org.sparkfinetune.engine.tensor.LayerInputs;
import org.sparkfinetune.engine.tensor.LayerInputs.BaseGradients;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.train.DecoderLayers.RotaryEmbedding;
import org.sparkfinetune.engine.train.HeadOfModel.TokenWeights;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;

/**
 * One step's loss and gradients: forward through all layers, the head, and back down, every layer
 * from what was kept of its forward, for as many batches as {@link ActivationBudget} allows. The
 * loss is the mean over the trained tokens of all ranks, or that of {@link PreferenceLoss}.
 */
final class TrainingStep {
  private final Ops ops;
  private final DecoderConfig config;
  private final Precision precision;
  private final ProcessGroup exchange;
  private final Weights weights;
  private final DecoderLayers layers;
  private final LayerKeep keep;
  private final ForwardPass forward;
  private final EmbeddingTable embedding;
  private final HeadOfModel head;
  private final ActivationBudget budget;
  private final ExpertLayers experts;
  private final RouterBalance balance;
  private final PhaseClock clock;
  private Optional<PreferenceLoss> preference = Optional.empty();

  TrainingStep(RankModel model, PhaseClock clock) {
    this.ops = model.ops();
    this.config = model.recipe().config();
    this.precision = model.recipe().precision();
    this.keep = model.recipe().keep();
    this.exchange = model.exchange();
    this.weights = model.weights();
    this.layers = model.layers();
    this.forward = new ForwardPass(model);
    this.embedding = new EmbeddingTable(ops, precision, weights, config);
    this.head =
        new HeadOfModel(
            ops,
            precision,
            config,
            weights,
            model.recipe().regularization().labelSmoothingFactor());
    this.budget = ActivationBudget.of(model);
    this.experts = model.experts();
    this.balance = model.balance();
    this.clock = clock;
  }

  /**
   * @param loss mean over the trained tokens or pairs of the global step, and what balances experts
   * @param gradNorm 2-norm over all trained parameters of all ranks, before clipping
   * @param ofPairs rewards and log-probabilities by TRL's names; empty where rows are no pairs
   */
  record Outcome(
      double loss, double gradNorm, long trainedTokens, long tokens, Map<String, Double> ofPairs) {}

  ActivationBudget budget() {
    return budget;
  }

  /** Rows are pairs from now on, and this is their loss. */
  void learnPreference(PreferenceLoss loss) {
    preference = Optional.of(loss);
  }

  /**
   * The loss of a step's tokens.
   *
   * @param trained tokens of all ranks
   * @param pairs of all ranks, where rows are pairs
   * @param own of this rank's pairs, added up as they are computed
   */
  private record StepLoss(long trained, PreferenceLoss.Sums pairs, PreferenceLoss.Sums own) {}

  /**
   * Leaves every owner's gradient complete.
   *
   * @param step from 1; the parameters of version {@code step - 1} are used
   * @throws org.sparkfinetune.errors.RunFailure if the loss or the norm is not finite
   */
  Outcome run(long step, List<TokenBatch> batches) {
    double trained = batches.stream().mapToLong(TokenBatch::trainedTokens).sum();
    double tokens = batches.stream().mapToLong(TokenBatch::tokens).sum();
    PreferenceLoss.Sums counted =
        preference.isPresent() ? PreferenceLoss.Sums.counted(batches) : new PreferenceLoss.Sums();
    double[] all = exchange.sum("tokens", step, counted.behind(trained, tokens));
    StepLoss loss =
        new StepLoss((long) all[0], PreferenceLoss.Sums.endOf(all), new PreferenceLoss.Sums());
    try (Gradients gradients = new Gradients(ops, exchange, step)) {
      double lossSum = 0;
      List<List<TokenBatch>> groups = budget.groups(batches);
      balance.reset();
      if (balance.isOn() && groups.size() > 1) {
        groups.forEach(group -> countRoutes(step, group));
        balance.complete(exchange, step);
      }
      for (int i = 0; i < groups.size(); i++) {
        if (i == groups.size() - 1) {
          gradients.lastBatches();
        }
        lossSum += forwardAndBackward(step, groups.get(i), loss, gradients);
      }
      clock.in(Phase.EXCHANGE, gradients::finish);
      return outcome(step, lossSum, loss, (long) all[1]);
    }
  }

  private TokenWeights weights(StepLoss loss) {
    return preference
        .<TokenWeights>map(
            pairs ->
                new TokenWeights.OfLosses(
                    (batch, losses) -> pairs.add(batch, losses, loss.pairs(), loss.own())))
        .orElseGet(() -> new TokenWeights.Same(loss.trained() == 0 ? 0 : 1.0 / loss.trained()));
  }

  /** Of batches whose activations fit into memory together; the sum of their losses. */
  private double forwardAndBackward(
      long step, List<TokenBatch> batches, StepLoss loss, Gradients gradients) {
    DecoderLayers.Mode mode = new DecoderLayers.Mode.Training(step);
    long version = step - 1;
    try (Scope scope = ops.torch().scope()) {
      List<RotaryEmbedding.Angles> angles =
          batches.stream().map(batch -> layers.angles(scope, batch)).toList();
      ForwardPass.Activations activations =
          clock.in(Phase.FORWARD, () -> forward.run(scope, batches, angles, version, mode, keep));
      balance.complete(exchange, step);
      List<Tensor> dx = new ArrayList<>();
      double lossSum =
          clock.in(
              Phase.BACKWARD,
              () -> head(scope, step, batches, activations, weights(loss), gradients, dx));
      clock.in(
          Phase.BACKWARD,
          () -> {
            for (int layer = config.numHiddenLayers() - 1; layer >= 0; layer--) {
              layerBackward(
                  scope, layer, version, mode, batches, angles, activations, dx, gradients);
            }
            weights
                .trainable(ModelGroups.EMBED)
                .ifPresent(group -> embeddingBackward(scope, group, batches, dx, gradients));
            weights
                .trainable(ModelGroups.TOKENS)
                .ifPresent(group -> embeddingBackward(scope, group, batches, dx, gradients));
          });
      return lossSum;
    }
  }

  /** The balance of a whole step has to be known before the first backward. */
  private void countRoutes(long step, List<TokenBatch> batches) {
    try (Scope scope = ops.torch().scope()) {
      List<RotaryEmbedding.Angles> angles =
          batches.stream().map(batch -> layers.angles(scope, batch)).toList();
      DecoderLayers.Mode mode = new DecoderLayers.Mode.Training(step);
      clock.in(Phase.FORWARD, () -> forward.output(scope, batches, angles, step - 1, mode));
    }
  }

  private double head(
      Scope scope,
      long step,
      List<TokenBatch> batches,
      ForwardPass.Activations activations,
      TokenWeights ofTokens,
      Gradients gradients,
      List<Tensor> dx) {
    long version = step - 1;
    weights.prefetch(ModelGroups.layer(config.numHiddenLayers() - 1), version);
    Optional<Gradients.Flat> normGradient = weights.trainable(ModelGroups.NORM).map(gradients::of);
    Optional<Gradients.Flat> headGradient =
        weights.trainable(head.trainedGroup()).map(gradients::of);
    HeadOps.Gradients want =
        headGradient.isPresent() ? HeadOps.Gradients.INPUT_AND_WEIGHT : HeadOps.Gradients.INPUT;
    double lossSum = 0;
    try (Scope local = scope.child()) {
      for (HeadOfModel.Backward back :
          head.lossAndGradients(local, batches, activations.output(), ofTokens, version, want)) {
        lossSum += back.sum();
        dx.add(back.dx().moveTo(scope));
        normGradient.ifPresent(g -> g.add(local, DecoderWeights.FINAL_NORM, back.dNorm()));
        headGradient.ifPresent(g -> g.add(local, head.weight(), back.dHead()));
      }
    }
    NonFinite.checkLoss(ops, exchange.rank(), step, lossSum, activations);
    weights.trainable(ModelGroups.NORM).ifPresent(gradients::added);
    if (weights.hasHead()) {
      weights.trainable(ModelGroups.HEAD).ifPresent(gradients::added);
    }
    return lossSum;
  }

  private void layerBackward(
      Scope scope,
      int layer,
      long version,
      DecoderLayers.Mode mode,
      List<TokenBatch> batches,
      List<RotaryEmbedding.Angles> angles,
      ForwardPass.Activations activations,
      List<Tensor> dx,
      Gradients gradients) {
    String group = ModelGroups.layer(layer);
    if (layer > 0) {
      weights.prefetch(ModelGroups.layer(layer - 1), version);
    }
    Optional<Gradients.Flat> flat = weights.trainable(group).map(gradients::of);
    List<Optional<String>> names = layers.gradientNames(layer);
    try (Scope layerScope = scope.child()) {
      Weights.Gathered gathered = weights.layer(layerScope, group, version);
      List<ForwardPass.Kept> all = activations.kept().get(layer);
      Optional<ThroughExperts> through =
          config.experts().in(layer)
              ? Optional.of(
                  throughExperts(layerScope, layer, gathered, mode, batches, angles, all, dx))
              : Optional.empty();
      for (int i = 0; i < batches.size(); i++) {
        try (Scope local = layerScope.child()) {
          LayerInputs inputs =
              layers.inputs(local, layer, gathered, batches.get(i), angles.get(i), mode);
          List<Tensor> back;
          try (ForwardPass.Kept kept = all.get(i)) {
            Tensor x = ops.cast(local, kept.x().open(local), precision.compute());
            List<Tensor> rest = kept.rest().stream().map(stored -> stored.open(local)).toList();
            back =
                through.isPresent()
                    ? through.get().attentionBackward(experts, local, i, dx.get(i), x, rest, inputs)
                    : ops.layerBackward(local, dx.get(i), x, rest, inputs, base(group));
          }
          dx.set(i, back.get(0).moveTo(scope)).close();
          flat.ifPresent(g -> addAll(local, g, names, back));
        }
      }
    }
    weights.trainable(group).ifPresent(gradients::added);
  }

  /**
   * What came back through a layer's experts.
   *
   * @param dInputs of each batch the gradient of the experts' input
   * @param attention what led to attention, if it had to be computed again for a batch that is the
   *     only one: of several it would take too much memory
   */
  private record ThroughExperts(List<Tensor> dInputs, List<Tensor> attention) {
    List<Tensor> attentionBackward(
        ExpertLayers experts,
        Scope scope,
        int batch,
        Tensor dy,
        Tensor x,
        List<Tensor> kept,
        LayerInputs inputs) {
      List<Tensor> known = kept.isEmpty() ? attention : kept;
      return experts.attentionBackward(scope, dy, dInputs.get(batch), x, known, inputs);
    }
  }

  private ThroughExperts throughExperts(
      Scope scope,
      int layer,
      Weights.Gathered gathered,
      DecoderLayers.Mode mode,
      List<TokenBatch> batches,
      List<RotaryEmbedding.Angles> angles,
      List<ForwardPass.Kept> kept,
      List<Tensor> dx) {
    LayerKeep again = batches.size() == 1 ? LayerKeep.ATTENTION : LayerKeep.NOTHING;
    List<Tensor> inputs = new ArrayList<>();
    List<Tensor> attention = new ArrayList<>();
    for (int i = 0; i < batches.size(); i++) {
      try (Scope local = scope.child()) {
        LayerInputs beside =
            layers.inputs(local, layer, gathered, batches.get(i), angles.get(i), mode);
        Tensor x = ops.cast(local, kept.get(i).x().open(local), precision.compute());
        List<Tensor> rest = kept.get(i).rest().stream().map(stored -> stored.open(local)).toList();
        ExpertLayers.Half half =
            rest.isEmpty()
                ? experts.attention(local, x, beside, again)
                : experts.half(local, rest, beside);
        inputs.add(half.n().moveTo(scope));
        half.rest().forEach(tensor -> attention.add(tensor.moveTo(scope)));
      }
    }
    return new ThroughExperts(
        experts.backward(scope, layer, gathered, batches, inputs, dx), attention);
  }

  /** Base weights have gradients where the group holds no frozen ones. */
  private BaseGradients base(String group) {
    boolean trained =
        weights.group(group).plain().isEmpty() && weights.group(group).quantized().isEmpty();
    return trained ? BaseGradients.YES : BaseGradients.NO;
  }

  private static void addAll(
      Scope scope, Gradients.Flat flat, List<Optional<String>> names, List<Tensor> back) {
    for (int i = 1; i < back.size(); i++) {
      Tensor gradient = back.get(i);
      names.get(i - 1).ifPresent(name -> flat.add(scope, name, gradient));
    }
  }

  private void embeddingBackward(
      Scope scope,
      TrainableGroup group,
      List<TokenBatch> batches,
      List<Tensor> dx,
      Gradients gradients) {
    Gradients.Flat flat = gradients.of(group);
    for (int i = 0; i < batches.size(); i++) {
      embedding.backward(scope, flat, batches.get(i), dx.get(i));
    }
    gradients.added(group);
  }

  private Outcome outcome(long step, double lossSum, StepLoss loss, long tokens) {
    double squares = 0;
    Map<String, Double> parts = new LinkedHashMap<>();
    for (var group : weights.trainable()) {
      double part = clock.in(Phase.EXCHANGE, group::finishGradient);
      parts.put(group.name(), part);
      squares += part;
    }
    NonFinite.checkGradients(exchange.rank(), step, parts);
    double[] own = loss.own().behind(lossSum, squares);
    double[] sums = clock.in(Phase.EXCHANGE, () -> exchange.sum("loss and norm", step, own));
    double norm = Math.sqrt(sums[1]);
    long trained = loss.trained();
    if (preference.isPresent()) {
      PreferenceLoss.Sums all = PreferenceLoss.Sums.endOf(sums);
      double ofPairs = preference.get().loss(all) + balance.loss();
      return new Outcome(ofPairs, norm, trained, tokens, PreferenceLoss.metrics(all));
    }
    double ofTokens = sums[0] / Math.max(1, trained) + balance.loss();
    return new Outcome(ofTokens, norm, trained, tokens, Map.of());
  }
}
