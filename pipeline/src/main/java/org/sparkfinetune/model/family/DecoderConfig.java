package org.sparkfinetune.model.family;

import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.sparkfinetune.model.family.LayerAttention.Rope;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * A decoder, in the words of its {@code config.json}: its shape, and what it computes.
 *
 * @param headDim size of a head; not always hiddenSize / numAttentionHeads
 * @param padding the token whose embedding gets no gradient from where it stands in a text, as
 *     PyTorch's {@code padding_idx}
 * @param maxPositionEmbeddings 0 if the file does not say
 * @param biases which linears have one
 * @param layers the attention of each layer
 * @param names what the model calls the decoder's modules
 * @param experts in the place of some layers' MLP
 */
public record DecoderConfig(
    String modelType,
    int hiddenSize,
    int intermediateSize,
    int numAttentionHeads,
    int numKeyValueHeads,
    int headDim,
    int vocabSize,
    OptionalInt padding,
    int maxPositionEmbeddings,
    double rmsNormEps,
    boolean tieWordEmbeddings,
    Biases biases,
    DecoderFamily family,
    List<LayerAttention> layers,
    ModuleNames names,
    Experts experts) {

  /** Which linears have a bias: q, k and v; o; gate, up and down. */
  public record Biases(boolean qkv, boolean output, boolean mlp) {
    public static final Biases NONE = new Biases(false, false, false);
  }

  private static final int CONTEXT = 2048;

  public DecoderConfig {
    layers = List.copyOf(layers);
  }

  /** A Llama: full attention and one rotary embedding in all layers. */
  public DecoderConfig(
      String modelType,
      int hiddenSize,
      int intermediateSize,
      int numHiddenLayers,
      int numAttentionHeads,
      int numKeyValueHeads,
      int headDim,
      int vocabSize,
      int maxPositionEmbeddings,
      double rmsNormEps,
      double ropeTheta,
      RopeScaling ropeScaling,
      boolean tieWordEmbeddings,
      Biases biases) {
    this(
        modelType,
        hiddenSize,
        intermediateSize,
        numAttentionHeads,
        numKeyValueHeads,
        headDim,
        vocabSize,
        OptionalInt.empty(),
        maxPositionEmbeddings,
        rmsNormEps,
        tieWordEmbeddings,
        biases,
        DecoderFamily.LLAMA,
        Collections.nCopies(
            numHiddenLayers, LayerAttention.full(new Rope(ropeTheta, headDim, ropeScaling))),
        ModuleNames.DECODER,
        Experts.NONE);
  }

  /** The same with a head of its own. */
  DecoderConfig untied() {
    return new DecoderConfig(
        modelType,
        hiddenSize,
        intermediateSize,
        numAttentionHeads,
        numKeyValueHeads,
        headDim,
        vocabSize,
        padding,
        maxPositionEmbeddings,
        rmsNormEps,
        false,
        biases,
        family,
        layers,
        names,
        experts);
  }

  public int numHiddenLayers() {
    return layers.size();
  }

  /** Numbers of all queries of a token. */
  public long queryWidth() {
    return (long) numAttentionHeads * headDim;
  }

  /** Numbers of all keys of a token; of its values too. */
  public long keyWidth() {
    return (long) numKeyValueHeads * headDim;
  }

  /** What scores are multiplied with. */
  public double attentionScale() {
    double scale = family.scales().attention();
    return scale == 0 ? 1 / Math.sqrt(headDim) : scale;
  }

  /** The most tokens that are read and generated in one go; Llama's default if nothing is said. */
  public int contextLength() {
    return (int) positions().orElse(CONTEXT);
  }

  /**
   * How many positions the model is made for; empty if the file does not say. With Llama 3.1's
   * scaling the file counts them after scaling, with the older ones before.
   */
  public OptionalLong positions() {
    double factor =
        layers.stream()
            .flatMap(layer -> layer.rope().stream())
            .mapToDouble(rope -> rope.scaling().positionFactor())
            .max()
            .orElse(1);
    return maxPositionEmbeddings == 0
        ? OptionalLong.empty()
        : OptionalLong.of((long) (maxPositionEmbeddings * factor));
  }

  /**
   * Weights of the linears of the layer that has most, of its experts only some, without biases.
   *
   * @param some experts that are counted
   */
  public long linearParametersOfLayer(int some) {
    boolean dense = experts.layers().size() < numHiddenLayers();
    return attentionParameters()
        + Math.max(dense ? denseParameters() : 0, experts.exist() ? mixtureParameters(some) : 0);
  }

  /** Weights of the linears of all layers, without biases. */
  public long linearParameters() {
    return linearParameters(experts.count());
  }

  /** Those of them that compute one token. */
  public long activeLinearParameters() {
    return linearParameters(experts.perToken());
  }

  private long linearParameters(int some) {
    int mixtures = experts.layers().size();
    return numHiddenLayers() * attentionParameters()
        + (numHiddenLayers() - mixtures) * denseParameters()
        + mixtures * mixtureParameters(some);
  }

  private long attentionParameters() {
    return 2L * hiddenSize * (queryWidth() + keyWidth());
  }

  private long denseParameters() {
    return 3L * hiddenSize * intermediateSize;
  }

  /** The router and some experts. */
  private long mixtureParameters(int some) {
    return (long) experts.count() * hiddenSize + some * experts.parametersOfOne(this);
  }

  /** Numbers between gate and down that one token has in the layer that has most. */
  public int activeIntermediateSize() {
    int ofExperts = experts.perToken() * experts.intermediateSize();
    return experts.layers().size() < numHiddenLayers()
        ? Math.max(intermediateSize, ofExperts)
        : ofExperts;
  }

  /** Weights of the norms of one layer. */
  public long normParametersPerLayer() {
    return DecoderWeights.norms(this, 0).stream().mapToLong(NamedShape::elements).sum();
  }

  /** All weights, without biases. */
  public long parameters() {
    long embedding = (long) vocabSize * hiddenSize;
    return linearParameters()
        + numHiddenLayers() * normParametersPerLayer()
        + hiddenSize
        + (tieWordEmbeddings ? embedding : 2 * embedding);
  }
}
