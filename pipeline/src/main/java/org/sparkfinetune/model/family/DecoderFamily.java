package org.sparkfinetune.model.family;

/**
 * What a family of models computes beside Llama: data that every engine reads, so that none of them
 * asks for a family's name.
 *
 * @param qkNorm the norm of queries and keys, before they are rotated
 * @param norms where a layer's other norms are
 * @param normWeight how a norm's weight is applied
 * @param activation between {@code gate} and {@code up}
 * @param linears which of a layer's linears are one weight
 * @param rotation the type in which queries and keys are rotated
 * @param scales what embeddings, branches, scores and logits are multiplied with
 * @param softCaps limits of scores and logits
 */
public record DecoderFamily(
    QkNorm qkNorm,
    Norms norms,
    NormWeight normWeight,
    Activation activation,
    Linears linears,
    Rotation rotation,
    Scales scales,
    SoftCaps softCaps) {

  public static final DecoderFamily LLAMA =
      new DecoderFamily(
          QkNorm.NONE,
          Norms.BEFORE,
          NormWeight.AFTER_CAST,
          Activation.SILU,
          Linears.SPLIT,
          Rotation.COMPUTED,
          Scales.NONE,
          SoftCaps.NONE);

  /** RMSNorm of queries and keys. The order is that of {@code scripts.py}. */
  public enum QkNorm {
    NONE,
    /** Of each head, with one weight of head_dim numbers (Qwen3, Gemma 3). */
    PER_HEAD,
    /** Of the whole projection (OLMo 2). */
    WHOLE
  }

  /** The norms around attention and MLP: {@code x + after(f(before(x)))}. */
  public enum Norms {
    BEFORE,
    /** OLMo 2. */
    AFTER,
    /** Gemma 2 and 3. */
    BOTH;

    public boolean before() {
      return this != AFTER;
    }

    public boolean after() {
      return this != BEFORE;
    }
  }

  /** How a norm's weight w meets the normalised x. The order is that of {@code scripts.py}. */
  public enum NormWeight {
    /** x is rounded to the computing type, then multiplied with w (Llama). */
    AFTER_CAST,
    /** x times w in float32, then rounded (OLMo 2). */
    BEFORE_CAST,
    /** x times (1 + w) in float32, then rounded (Gemma). */
    ONE_PLUS
  }

  /** The order is that of {@code scripts.py}. */
  public enum Activation {
    SILU,
    /** GELU by its approximation with tanh (Hendrycks and Gimpel 2016, section 2). */
    GELU_TANH
  }

  /** Which linears are one weight. */
  public enum Linears {
    SPLIT,
    /** {@code qkv_proj}, and {@code gate_up_proj} with the gate first (Phi-3). */
    FUSED
  }

  /** In which type queries and keys are rotated. */
  public enum Rotation {
    COMPUTED,
    /** In float32, then rounded (OLMo 2). */
    FLOAT32
  }

  /**
   * Factors; 1 where there is none.
   *
   * @param embedding of the embedded tokens
   * @param residual of what attention and MLP add
   * @param attention of the scores; 0 for 1 / sqrt(head_dim)
   * @param logits of the logits
   */
  public record Scales(double embedding, double residual, double attention, double logits) {
    public static final Scales NONE = new Scales(1, 1, 0, 1);
  }

  /**
   * {@code cap * tanh(x / cap)}; 0 where there is none (Gemma 2).
   *
   * @param attention of the scores, before the mask
   * @param logits of the logits
   */
  public record SoftCaps(double attention, double logits) {
    public static final SoftCaps NONE = new SoftCaps(0, 0);
  }
}
