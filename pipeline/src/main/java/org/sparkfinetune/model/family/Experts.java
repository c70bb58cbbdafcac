package org.sparkfinetune.model.family;

import java.util.List;
import java.util.Set;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * A mixture of experts in the place of some layers' MLP: a router gives each token probabilities of
 * all experts, softmax(x R') in float32, and the MLP's result is the sum of the likeliest ones'
 * results, each times its probability.
 *
 * @param count experts of a layer; 0 if no layer has any
 * @param perToken how many compute a token
 * @param intermediateSize of each
 * @param weighting what their results are multiplied with
 * @param layers that have experts
 */
public record Experts(
    int count, int perToken, int intermediateSize, Weighting weighting, Set<Integer> layers) {

  public static final Experts NONE = new Experts(0, 0, 0, Weighting.PROBABILITY, Set.of());

  /** What an expert's result is multiplied with. */
  public enum Weighting {
    PROBABILITY,
    /** The probability divided by the sum of those of the token's experts. */
    SHARE
  }

  public Experts {
    layers = Set.copyOf(layers);
  }

  /** Whether any layer has experts. */
  public boolean exist() {
    return !layers.isEmpty();
  }

  public boolean in(int layer) {
    return layers.contains(layer);
  }

  /** The router's weight (experts, hidden). */
  static NamedShape router(DecoderConfig config, int layer) {
    return NamedShape.of(
        prefix(layer) + "gate.weight", config.experts().count(), config.hiddenSize());
  }

  /** An expert's gate and up (intermediate, hidden), and down (hidden, intermediate). */
  static List<NamedShape> expert(DecoderConfig config, int layer, int expert) {
    String prefix = prefix(layer) + "experts." + expert + ".";
    int hidden = config.hiddenSize();
    int inner = config.experts().intermediateSize();
    return List.of(
        NamedShape.of(prefix + "gate_proj.weight", inner, hidden),
        NamedShape.of(prefix + "up_proj.weight", inner, hidden),
        NamedShape.of(prefix + "down_proj.weight", hidden, inner));
  }

  /** Weights of one expert. */
  public long parametersOfOne(DecoderConfig config) {
    return 3L * config.hiddenSize() * intermediateSize;
  }

  /** Whether a weight's name is that of a linear of an expert. */
  static boolean isWeight(String name) {
    return name.contains(".mlp.experts.") && name.endsWith("_proj.weight");
  }

  private static String prefix(int layer) {
    return DecoderWeights.layerPrefix(layer) + "mlp.";
  }
}
