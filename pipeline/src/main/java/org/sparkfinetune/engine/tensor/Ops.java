package org.sparkfinetune.engine.tensor;

import static org.sparkfinetune.engine.tensor.Torch.value;
import static org.sparkfinetune.engine.tensor.Torch.values;

import ai.djl.pytorch.jni.IValue;
import java.nio.ByteBuffer;
import java.util.List;
import org.sparkfinetune.engine.tensor.LayerInputs.BaseGradients;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * Every tensor operation above this package, typed; formulas and shapes stand in {@code
 * scripts.py}. Letters: N tokens of all rows laid end to end, H hidden, I intermediate, V
 * vocabulary. Results belong to the scope given.
 */
public final class Ops {
  private final Torch torch;
  private final HostMemory hostMemory;
  private final OnDevice onDevice;

  public Ops(Torch torch) {
    this.torch = torch;
    this.hostMemory = new HostMemory(torch);
    this.onDevice = new OnDevice(torch);
  }

  public Torch torch() {
    return torch;
  }

  /** The way for values between host code and tensors. */
  public HostMemory hostMemory() {
    return hostMemory;
  }

  /** What host code does itself where it sees tensors' memory. */
  public OnDevice onDevice() {
    return onDevice;
  }

  /** The head and its loss. */
  public HeadOps head() {
    return new HeadOps(torch, this);
  }

  /** What layers with experts compute. */
  public ExpertOps experts() {
    return new ExpertOps(torch);
  }

  /** Layers over keys and values that are kept. */
  public DecodingOps decoding() {
    return new DecodingOps(torch);
  }

  /** Products with weights that are laid out once. */
  public PackedOps packed() {
    return new PackedOps(torch);
  }

  // ---- making and moving ------------------------------------------------------------------------

  /** Memory of undefined content. */
  public Tensor empty(Scope scope, ElementType type, long... shape) {
    return torch.tensor(scope, "empty", IValue.listFrom(shape), code(type), device());
  }

  public Tensor zeros(Scope scope, ElementType type, long... shape) {
    return torch.tensor(scope, "zeros", IValue.listFrom(shape), code(type), device());
  }

  public Tensor ofFloats(Scope scope, float[] values, long... shape) {
    Tensor tensor = hostMemory.empty(scope, ElementType.FLOAT32, shape);
    tensor.bytes().asFloatBuffer().put(values);
    return hostMemory.toDevice(tensor);
  }

  public Tensor ofInts(Scope scope, int[] values) {
    Tensor tensor = hostMemory.empty(scope, ElementType.INT64, values.length);
    ByteBuffer bytes = tensor.bytes();
    for (int i = 0; i < values.length; i++) {
      bytes.putLong(8 * i, values[i]);
    }
    return hostMemory.toDevice(tensor);
  }

  public Tensor cast(Scope scope, Tensor x, ElementType type) {
    return torch.tensor(scope, "cast", value(x), code(type));
  }

  /** Elements {@code [start, start + product(shape))} of a flat tensor, sharing its memory. */
  public Tensor view(Scope scope, Tensor flat, long start, long... shape) {
    return torch.tensor(scope, "view", value(flat), IValue.from(start), IValue.listFrom(shape));
  }

  public Tensor flat(Scope scope, Tensor x) {
    return torch.tensor(scope, "flat", value(x));
  }

  /** Copies in place. */
  public void copy(Scope scope, Tensor to, Tensor source) {
    torch.tensor(scope, "copy", value(to), value(source)).close();
  }

  /** {@code to += x}. */
  public void add(Scope scope, Tensor to, Tensor x) {
    torch.tensor(scope, "add", value(to), value(x)).close();
  }

  public Tensor concat(Scope scope, List<Tensor> parts) {
    return torch.tensor(scope, "concat", values(parts));
  }

  /** {@code x[rows]}; rows int64. */
  public Tensor selectRows(Scope scope, Tensor x, Tensor rows) {
    return torch.tensor(scope, "select_rows", value(x), value(rows));
  }

  /** Puts x (n, H) into rows (n) of {@code to} (N, H), in place. */
  public void setRows(Scope scope, Tensor to, Tensor rows, Tensor x) {
    torch.tensor(scope, "set_rows", value(to), value(rows), value(x));
  }

  /** x (n, H) with rows of zeros behind it, (to, H). */
  public Tensor padRows(Scope scope, Tensor x, long to) {
    return torch.tensor(scope, "pad_rows", value(x), IValue.from(to));
  }

  /** Rows of x (N, H) from {@code start} on become zeros. */
  public void zeroRows(Scope scope, Tensor x, long start) {
    torch.tensor(scope, "zero_rows", value(x), IValue.from(start)).close();
  }

  /** {@code out[rows[i]] += x[i]}; x may have more rows, which are padding. */
  public void addRows(Scope scope, Tensor out, Tensor rows, Tensor x) {
    torch.tensor(scope, "add_rows", value(out), value(rows), value(x)).close();
  }

  // ---- looking ----------------------------------------------------------------------------------

  /** Accumulated in float64. */
  public double sumOfSquares(Tensor x) {
    return torch.number("sum_of_squares", value(x));
  }

  public boolean allFinite(Tensor x) {
    return torch.truth("all_finite", value(x));
  }

  // ---- the model --------------------------------------------------------------------------------

  /** {@code factor * x}. */
  public Tensor times(Scope scope, Tensor x, double factor) {
    return torch.tensor(scope, "times", value(x), IValue.from(factor));
  }

  /**
   * @param kind as in {@link LayerInputs.Arithmetic#norm}
   */
  public Tensor rmsNorm(Scope scope, Tensor x, Tensor weight, double eps, int kind) {
    return torch.tensor(
        scope, "rms_norm", value(x), value(weight), IValue.from(eps), IValue.from((long) kind));
  }

  /** [dx, dweight (H, float32)]. */
  public List<Tensor> rmsNormBackward(
      Scope scope, Tensor dy, Tensor x, Tensor weight, double eps, int kind) {
    return torch.tensors(
        scope,
        "rms_norm_backward",
        value(dy),
        value(x),
        value(weight),
        IValue.from(eps),
        IValue.from((long) kind),
        IValue.from(true));
  }

  /**
   * x (N, H) through a decoder layer.
   *
   * @return y (N, H), then what {@code keep} says
   */
  public List<Tensor> layer(Scope scope, Tensor x, LayerInputs inputs, LayerKeep keep) {
    return torch.tensors(
        scope, "layer", inputs.arguments(List.of(value(x)), IValue.from((long) keep.ordinal())));
  }

  /**
   * Goes back through a layer, computing again what was not kept.
   *
   * @param kept what {@link #layer} returned after y
   * @return dx (N, H), then float32 gradients: A, B of the seven linears, B's bias or DoRA's
   *     magnitudes (empty where there is no LoRA) and, for {@code BaseGradients.YES}, of the twenty
   *     base weights
   */
  public List<Tensor> layerBackward(
      Scope scope, Tensor dy, Tensor x, List<Tensor> kept, LayerInputs inputs, BaseGradients base) {
    return torch.tensors(
        scope,
        "layer_backward",
        inputs.arguments(
            List.of(value(dy), value(x), values(kept)), IValue.from(base == BaseGradients.YES)));
  }

  /** (n, in) and (out, in) to (n, out): nothing but a product, to measure how fast one is. */
  public Tensor product(Scope scope, Tensor x, Tensor w) {
    return torch.tensor(scope, "product", value(x), value(w));
  }

  /**
   * (n, H) and (V, H) to (n, V) float32.
   *
   * @param cap of the logits, 0 for none
   */
  public Tensor logits(Scope scope, Tensor x, Tensor w, double cap) {
    return torch.tensor(scope, "logits", value(x), value(w), IValue.from(cap));
  }

  // ---- adapters that begin as parts of W (out, in) ----------------------------------------------

  /**
   * OLoRA's part: the first r rows of R and columns of Q of W = Q R.
   *
   * @return A (r, in), B (out, r)
   */
  public List<Tensor> orthogonalPart(Scope scope, Tensor w, int r) {
    return torch.tensors(scope, "orthogonal_part", value(w), IValue.from((long) r));
  }

  /**
   * PiSSA's part: the r largest singular values with their vectors.
   *
   * @param start (min(out, in), r) numbers of the randomised decomposition; none: the exact one
   * @return A (r, in), B (out, r), of which {@code scaling * B A} is the part
   */
  public List<Tensor> principalPart(
      Scope scope, Tensor w, int r, Tensor start, int iterations, double scaling) {
    return torch.tensors(
        scope,
        "principal_part",
        value(w),
        IValue.from((long) r),
        value(start),
        IValue.from((long) iterations),
        IValue.from(scaling));
  }

  /** {@code w -= scaling * b a}, in place. */
  public void subtractProduct(Scope scope, Tensor w, Tensor a, Tensor b, double scaling) {
    torch.tensor(scope, "subtract_product", value(w), value(a), value(b), IValue.from(scaling));
  }

  // ---- the optimizer ----------------------------------------------------------------------------

  /** One AdamW step in place on flat float32 tensors of equal length, as torch.optim.AdamW. */
  public void adamw(Scope scope, Tensor p, Tensor g, Tensor m, Tensor v, AdamWStep step) {
    torch
        .tensor(
            scope,
            "adamw",
            value(p),
            value(g),
            value(m),
            value(v),
            IValue.from(step.clipCoefficient()),
            IValue.from(step.learningRate()),
            IValue.from(step.weightDecay()),
            IValue.from(step.beta1()),
            IValue.from(step.beta2()),
            IValue.from(step.eps()),
            IValue.from(step.step()))
        .close();
  }

  /**
   * The same with both moments in 8 bits, in bitsandbytes' order of operations. All tensors are
   * flat, of whole blocks of 256 elements.
   *
   * @param mean of gradients
   * @param square mean of their squares
   */
  public void adamw8bit(
      Scope scope,
      Tensor p,
      Tensor g,
      BlockwiseMoment mean,
      BlockwiseMoment square,
      AdamWStep step) {
    torch
        .tensor(
            scope,
            "adamw_8bit",
            value(p),
            value(g),
            value(mean.codes()),
            value(mean.absmax()),
            values(mean.values().tables()),
            value(square.codes()),
            value(square.absmax()),
            values(square.values().tables()),
            IValue.from(step.clipCoefficient()),
            IValue.from(step.learningRate()),
            IValue.from(step.weightDecay()),
            IValue.from(step.beta1()),
            IValue.from(step.beta2()),
            IValue.from(step.eps()),
            IValue.from(step.step()),
            IValue.from(torch.device().sizes().optimizerElements()))
        .close();
  }

  /**
   * A code of 8 bits.
   *
   * @param values 256, ascending, from -1 or more to 1; neighbours no nearer than 2^-7 of their
   *     size
   */
  public BlockwiseCode blockwiseCode(Scope scope, float[] values) {
    Tensor map = ofFloats(scope, values, values.length);
    return new BlockwiseCode(torch.tensors(scope, "blockwise_code", value(map)));
  }

  private static IValue code(ElementType type) {
    return IValue.from((long) type.code());
  }

  private IValue device() {
    return IValue.from(torch.device().text());
  }

  /**
   * The numbers of one AdamW step (Loshchilov and Hutter 2019, algorithm 2).
   *
   * @param clipCoefficient what gradients are multiplied with first, 1 for no clipping
   * @param step from 1
   */
  public record AdamWStep(
      double clipCoefficient,
      double learningRate,
      double weightDecay,
      double beta1,
      double beta2,
      double eps,
      long step) {

    public AdamWStep withWeightDecay(double decay) {
      return new AdamWStep(clipCoefficient, learningRate, decay, beta1, beta2, eps, step);
    }

    public AdamWStep withLearningRate(double rate) {
      return new AdamWStep(clipCoefficient, rate, weightDecay, beta1, beta2, eps, step);
    }
  }

  /**
   * A moment in 8 bits.
   *
   * @param codes (n) uint8
   * @param absmax (n / 256) float32, the largest absolute value of each block
   * @param values what the codes are shares of absmax by
   */
  public record BlockwiseMoment(Tensor codes, Tensor absmax, BlockwiseCode values) {}

  /**
   * A code's values, and what finds the nearest.
   *
   * @param tables as {@code blockwise_code} in {@code scripts.py} makes them
   */
  public record BlockwiseCode(List<Tensor> tables) {}

  /**
   * Blocks of one NF4 tensor in the bytes of a rank's slice.
   *
   * @param bytes uint8, the slice
   * @param codesAt first byte of the packed codes, 32 a block
   * @param absmaxAt first byte of the blocks' nested codes, one a block
   * @param constantsAt first byte of offset and nested absmax, float32; a multiple of 4
   * @param blocks of 64 weights, the last maybe in part
   * @param phase blocks of the first nested group that lie before the piece
   * @param to element of the tensor that the first weight is
   * @param weights in the piece
   */
  public record Nf4Piece(
      Tensor bytes,
      long codesAt,
      long absmaxAt,
      long constantsAt,
      long blocks,
      long phase,
      long to,
      long weights) {}

  /**
   * What NF4's codes stand for.
   *
   * @param quads (65536, 4) float32, the four weights of two bytes
   * @param absmax (256) float32, the values of nested codes
   */
  public record Nf4Tables(Tensor quads, Tensor absmax) {}
}
