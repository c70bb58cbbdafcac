package org.sparkfinetune.model.family;

import java.util.OptionalLong;

/**
 * The shape of a Llama, in the words of its {@code config.json}.
 *
 * @param headDim size of a head; not always hiddenSize / numAttentionHeads
 * @param maxPositionEmbeddings 0 if the file does not say
 * @param biases which linears have one
 */
public record LlamaConfig(
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

  /** Which linears have a bias: q, k and v; o; gate, up and down. */
  public record Biases(boolean qkv, boolean output, boolean mlp) {}

  private static final int CONTEXT = 2048;

  /** The most tokens that are read and generated in one go; Llama's default if nothing is said. */
  public int contextLength() {
    return maxPositionEmbeddings == 0 ? CONTEXT : maxPositionEmbeddings;
  }

  /**
   * How many positions the model is made for; empty if the file does not say. With Llama 3.1's
   * scaling the file counts them after scaling, with the older ones before.
   */
  public OptionalLong positions() {
    return maxPositionEmbeddings == 0
        ? OptionalLong.empty()
        : OptionalLong.of((long) (maxPositionEmbeddings * ropeScaling.positionFactor()));
  }

  /** Weights of the seven linears of one layer. */
  public long linearParametersPerLayer() {
    long queries = (long) numAttentionHeads * headDim;
    long keyValues = (long) numKeyValueHeads * headDim;
    return 2L * hiddenSize * queries
        + 2L * hiddenSize * keyValues
        + 3L * hiddenSize * intermediateSize;
  }

  /**
   * Rotary frequencies {@code theta^(-2i/D)}, scaled, for each of the D/2 pairs: in float32, as
   * transformers computes them.
   */
  public float[] inverseFrequencies() {
    float[] frequencies = new float[headDim / 2];
    for (int i = 0; i < frequencies.length; i++) {
      float exponent = 2f * i / headDim;
      frequencies[i] = ropeScaling.scaled(1f / (float) Math.pow((float) ropeTheta, exponent));
    }
    return frequencies;
  }

  /** All weights. */
  public long parameters() {
    long embedding = (long) vocabSize * hiddenSize;
    return numHiddenLayers * (linearParametersPerLayer() + 2L * hiddenSize)
        + hiddenSize
        + (tieWordEmbeddings ? embedding : 2 * embedding);
  }
}
