package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.sparkfinetune.engine.tensor.LayerInputs;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.train.DecoderLayers.RotaryEmbedding;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.model.family.DecoderConfig;

/**
 * All batches through all layers, layer by layer: a layer is gathered once for all of them. Between
 * layers activations are kept in the stored type.
 */
final class ForwardPass {
  private final Ops ops;
  private final DecoderConfig config;
  private final Precision precision;
  private final Weights weights;
  private final DecoderLayers layers;
  private final EmbeddingTable embedding;
  private final EmbeddingNoise noise;
  private final ExpertLayers experts;
  private final ActivationStore inputStore;
  private final ActivationStore keptStore;

  ForwardPass(RankModel model) {
    this.ops = model.ops();
    this.config = model.recipe().config();
    this.precision = model.recipe().precision();
    this.weights = model.weights();
    this.layers = model.layers();
    this.embedding = new EmbeddingTable(ops, precision, weights, config);
    this.noise =
        new EmbeddingNoise(
            model.recipe().regularization().neftuneNoiseAlpha().orElse(0.0), model.recipe().seed());
    this.experts = model.experts();
    this.inputStore = model.inputs();
    this.keptStore = model.kept();
  }

  /**
   * What a layer's backward starts from, for one batch.
   *
   * @param x the layer's input (N, H), stored type
   * @param rest as {@link LayerKeep} says
   */
  record Kept(ActivationStore.Stored x, List<ActivationStore.Stored> rest)
      implements AutoCloseable {
    @Override
    public void close() {
      x.close();
      rest.forEach(ActivationStore.Stored::close);
    }
  }

  /**
   * @param kept for each layer, for each batch; empty if nothing goes back
   * @param output for each batch, what the last layer gave
   */
  record Activations(List<List<Kept>> kept, List<Tensor> output) {}

  /** Forward for a backward to come. */
  Activations run(
      Scope scope,
      List<TokenBatch> batches,
      List<RotaryEmbedding.Angles> angles,
      long version,
      DecoderLayers.Mode mode,
      LayerKeep keep) {
    inputStore.reset();
    keptStore.reset();
    List<List<Kept>> kept = new ArrayList<>();
    List<Tensor> output =
        run(scope, batches, angles, version, mode, keep, inputStore, layer -> kept.add(layer));
    return new Activations(kept, output);
  }

  /** Forward alone: what the last layer gives for each batch. */
  List<Tensor> output(
      Scope scope, List<TokenBatch> batches, List<RotaryEmbedding.Angles> angles, long version) {
    return output(scope, batches, angles, version, new DecoderLayers.Mode.Evaluation());
  }

  /** The same as a training step computes it. */
  List<Tensor> output(
      Scope scope,
      List<TokenBatch> batches,
      List<RotaryEmbedding.Angles> angles,
      long version,
      DecoderLayers.Mode mode) {
    return run(
        scope,
        batches,
        angles,
        version,
        mode,
        LayerKeep.NOTHING,
        ActivationStore.IN_MEMORY,
        layer -> layer.forEach(Kept::close));
  }

  private List<Tensor> run(
      Scope scope,
      List<TokenBatch> batches,
      List<RotaryEmbedding.Angles> angles,
      long version,
      DecoderLayers.Mode mode,
      LayerKeep keep,
      ActivationStore inputs,
      Consumer<List<Kept>> after) {
    weights.prefetch(ModelGroups.layer(0), version);
    List<Tensor> x = new ArrayList<>();
    for (TokenBatch batch : batches) {
      x.add(stored(scope, embedded(scope, batch, version, mode)));
    }
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      if (layer + 1 < config.numHiddenLayers()) {
        weights.prefetch(ModelGroups.layer(layer + 1), version);
      }
      List<Tensor> y = new ArrayList<>();
      List<Kept> kept = new ArrayList<>();
      try (Scope layerScope = scope.child()) {
        Weights.Gathered gathered = weights.layer(layerScope, ModelGroups.layer(layer), version);
        // Of a layer with experts, which compute all batches together.
        List<ExpertLayers.Half> halves = new ArrayList<>();
        for (int i = 0; i < batches.size(); i++) {
          try (Scope local = layerScope.child()) {
            LayerInputs weightsAndMasks =
                layers.inputs(local, layer, gathered, batches.get(i), angles.get(i), mode);
            Tensor typed = ops.cast(local, x.get(i), precision.compute());
            List<Tensor> rest;
            if (config.experts().in(layer)) {
              ExpertLayers.Half half = experts.attention(local, typed, weightsAndMasks, keep);
              halves.add(half.in(layerScope));
              rest = half.rest();
            } else {
              List<Tensor> out = ops.layer(local, typed, weightsAndMasks, keep);
              y.add(stored(scope, out.get(0)));
              rest = out.subList(1, out.size());
            }
            kept.add(new Kept(inputs.keep(x.get(i)), rest.stream().map(keptStore::keep).toList()));
          }
        }
        boolean counted = mode instanceof DecoderLayers.Mode.Training;
        experts
            .forward(layerScope, layer, gathered, batches, halves, counted)
            .forEach(out -> y.add(stored(scope, out)));
      }
      after.accept(kept);
      x = y;
    }
    return x;
  }

  /** (N, H); in training with what NEFTune adds. */
  private Tensor embedded(Scope scope, TokenBatch batch, long version, DecoderLayers.Mode mode) {
    Tensor x = embedding.lookUp(scope, batch, version);
    return mode instanceof DecoderLayers.Mode.Training training
        ? noise.added(scope, ops, x, batch, training.step())
        : x;
  }

  /** In the stored type, belonging to {@code scope}; {@code x} itself if it is of that type. */
  private Tensor stored(Scope scope, Tensor x) {
    return precision.stored() == precision.compute()
        ? x.moveTo(scope)
        : ops.cast(scope, x, precision.stored());
  }
}
