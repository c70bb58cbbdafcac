package org.sparkfinetune.launch;

import org.sparkfinetune.config.Method;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.llama.LlamaConfig;

/**
 * Operations of products with weights for one token: 2 for each weight and direction. Small ones,
 * of LoRA and of attention, are left out.
 *
 * @param forward through all layers
 * @param backward through all layers, what is computed again included
 * @param head both directions
 */
record ProductCounts(double forward, double backward, double head) {
  static ProductCounts of(LlamaConfig model, TrainConfig config) {
    double layers = (double) model.numHiddenLayers() * model.linearParametersPerLayer();
    double downs = (double) model.numHiddenLayers() * model.hiddenSize() * model.intermediateSize();
    double again =
        switch (config.compute().gradientCheckpointing()) {
          case ON -> layers;
          case SELECTIVE -> 2 * downs;
          case OFF -> 0;
        };
    boolean full = config.method() == Method.FULL;
    double head = (double) model.vocabSize() * model.hiddenSize();
    return new ProductCounts(
        2 * layers, 2 * ((full ? 2 : 1) * layers + again), 2 * (full ? 3 : 2) * head);
  }

  double all() {
    return forward + backward + head;
  }
}
