package org.sparkfinetune.plan;

import org.sparkfinetune.config.GradientCheckpointing;
import org.sparkfinetune.config.Method;
import org.sparkfinetune.model.family.LlamaConfig;

/**
 * Operations of the products with all layers' linears for one token, 2 to a weight.
 *
 * @param backward dx, dW where the base is trained, and forward again of what was not kept, down's
 *     output excepted
 */
public record LayerProducts(double forward, double backward) {
  /** As a method and what it keeps make them. */
  public static LayerProducts of(
      LlamaConfig model, Method method, GradientCheckpointing checkpointing) {
    double layer = model.linearParametersPerLayer();
    double down = (double) model.hiddenSize() * model.intermediateSize();
    double again =
        switch (checkpointing) {
          case ON -> layer - down;
          case SELECTIVE -> 2 * down;
          case OFF -> 0;
        };
    double gradients = (method == Method.FULL ? 2 : 1) * layer;
    int layers = model.numHiddenLayers();
    return new LayerProducts(2 * layers * layer, 2 * layers * (gradients + again));
  }

  double both() {
    return forward + backward;
  }
}
