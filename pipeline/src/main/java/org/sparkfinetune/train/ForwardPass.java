package org.sparkfinetune.train;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.llama.LlamaConfig;
import org.sparkfinetune.llama.RotaryEmbedding;
import org.sparkfinetune.tensor.Ops;
import org.sparkfinetune.tensor.Scope;
import org.sparkfinetune.tensor.Tensor;

/**
 * All batches through all layers, layer by layer: a layer is gathered once for all of them. Between
 * layers activations are kept in the stored type.
 */
final class ForwardPass {
  private final Ops ops;
  private final LlamaConfig config;
  private final Precision precision;
  private final Weights weights;
  private final DecoderLayers layers;
  private final EmbeddingTable embedding;

  ForwardPass(
      Ops ops,
      LlamaConfig config,
      Precision precision,
      Weights weights,
      DecoderLayers layers,
      EmbeddingTable embedding) {
    this.ops = ops;
    this.config = config;
    this.precision = precision;
    this.weights = weights;
    this.layers = layers;
    this.embedding = embedding;
  }

  /** What becomes of the inputs of layers. */
  enum Keep {
    LAYER_INPUTS,
    NOTHING
  }

  /**
   * @param layerInputs for each layer, for each batch (N, H), stored type; empty if not kept
   * @param output for each batch, what the last layer gave
   */
  record Activations(List<List<Tensor>> layerInputs, List<Tensor> output) {}

  Activations run(
      Scope scope,
      List<TokenBatch> batches,
      List<RotaryEmbedding.Angles> angles,
      long version,
      DecoderLayers.Mode mode,
      Keep keep) {
    weights.prefetch(ModelGroups.layer(0));
    List<Tensor> x = new ArrayList<>();
    for (TokenBatch batch : batches) {
      x.add(stored(scope, embedding.lookUp(scope, batch, version)));
    }
    List<List<Tensor>> inputs = new ArrayList<>();
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      if (layer + 1 < config.numHiddenLayers()) {
        weights.prefetch(ModelGroups.layer(layer + 1));
      }
      List<Tensor> y = layer(scope, layer, batches, angles, x, version, mode);
      if (keep == Keep.LAYER_INPUTS) {
        inputs.add(x);
      } else {
        x.forEach(Tensor::close);
      }
      x = y;
    }
    return new Activations(inputs, x);
  }

  private List<Tensor> layer(
      Scope scope,
      int layer,
      List<TokenBatch> batches,
      List<RotaryEmbedding.Angles> angles,
      List<Tensor> x,
      long version,
      DecoderLayers.Mode mode) {
    List<Tensor> y = new ArrayList<>();
    try (Scope layerScope = scope.child()) {
      Weights.Gathered gathered = weights.layer(layerScope, ModelGroups.layer(layer), version);
      for (int i = 0; i < batches.size(); i++) {
        try (Scope batchScope = layerScope.child()) {
          var inputs =
              layers.inputs(batchScope, layer, gathered, batches.get(i), angles.get(i), mode);
          Tensor typed = ops.cast(batchScope, x.get(i), precision.compute());
          y.add(stored(scope, ops.layer(batchScope, typed, inputs)));
        }
      }
    }
    return y;
  }

  /** In the stored type, belonging to {@code scope}; {@code x} itself if it is of that type. */
  private Tensor stored(Scope scope, Tensor x) {
    return precision.stored() == precision.compute()
        ? x.moveTo(scope)
        : ops.cast(scope, x, precision.stored());
  }
}
