package org.sparkfinetune.plan;

import org.sparkfinetune.config.TrainConfig.GradientCheckpointing;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Processor;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.model.family.DecoderConfig;

/** Measures this machine's processor in about a second. */
public final class CpuProbe {
  /** Rows, inputs and outputs of the product that is timed: a Llama's layer on a short row. */
  private static final int TOKENS = 256;

  private static final int WIDTH = 1536;
  private static final int MANY_TOKENS = 2048;
  private static final int COPIED = 64 << 20;
  private static final double SECONDS = 0.4;
  private static final double LONGER_SECONDS = 3;

  private CpuProbe() {}

  /**
   * This machine as a device of {@code ranks} ranks that share it.
   *
   * @param ranks on this machine
   * @param bf16 whether training is to compute in bfloat16
   */
  public static Device measure(int ranks, Numbers bf16) {
    int threads = Runtime.getRuntime().availableProcessors();
    ElementType type = type(bf16);
    try (Torch torch = Torch.start(threads);
        Scope scope = torch.scope()) {
      Ops ops = new Ops(torch);
      Tensor x = ops.zeros(scope, type, TOKENS, WIDTH);
      Tensor w = ops.zeros(scope, type, WIDTH, WIDTH);
      double products = perSecond(SECONDS, () -> ops.logits(scope, x, w, 0).close());
      Tensor from = ops.zeros(scope, ElementType.FLOAT32, COPIED / Float.BYTES);
      Tensor to = ops.zeros(scope, ElementType.FLOAT32, COPIED / Float.BYTES);
      double copies = perSecond(SECONDS, () -> ops.copy(scope, to, from));
      return new Device(
          DeviceTable.CPU,
          Device.Kind.CPU,
          Device.Bfloat16.here(),
          MachineMemory.total().orElse(Runtime.getRuntime().maxMemory()),
          products * 2 * TOKENS * WIDTH * WIDTH / ranks,
          copies * 2 * COPIED / ranks,
          copies * 2 * COPIED / ranks,
          ranks,
          1e9,
          0);
    }
  }

  /**
   * Operations a second of nothing but products of many tokens with a weight (out, in), in the
   * numbers that training computes in.
   */
  public static double productFlops(int threads, Numbers bf16, int in, int out) {
    try (Torch torch = Torch.start(threads);
        Scope scope = torch.scope()) {
      Ops ops = new Ops(torch);
      Tensor x = ops.zeros(scope, type(bf16), MANY_TOKENS, in);
      Tensor w = ops.zeros(scope, type(bf16), out, in);
      double products = perSecond(LONGER_SECONDS, () -> ops.product(scope, x, w).close());
      return products * 2 * MANY_TOKENS * in * out;
    }
  }

  private static ElementType type(Numbers bf16) {
    return bf16 == Numbers.BFLOAT16 && Processor.hasBfloat16Arithmetic()
        ? ElementType.BFLOAT16
        : ElementType.FLOAT32;
  }

  /** In which numbers is computed. */
  public enum Numbers {
    BFLOAT16,
    FLOAT32
  }

  private static double perSecond(double atLeast, Runnable work) {
    work.run();
    long start = System.nanoTime();
    long count = 0;
    double seconds;
    do {
      work.run();
      count++;
      seconds = (System.nanoTime() - start) * 1e-9;
    } while (seconds < atLeast);
    return count / seconds;
  }

  /**
   * Operations of the products with all layers' linears for one token, 2 to a weight.
   *
   * @param backward dx, dW where the base is trained, and forward again of what was not kept,
   *     down's output excepted
   */
  public record LayerProducts(double forward, double backward) {
    /** As a method and what it keeps make them. */
    public static LayerProducts of(
        DecoderConfig model, Method method, GradientCheckpointing checkpointing) {
      int layers = model.numHiddenLayers();
      double layer = (double) model.activeLinearParameters() / layers;
      double down = (double) model.hiddenSize() * model.activeIntermediateSize();
      double again =
          switch (checkpointing) {
            case ON -> layer - down;
            case SELECTIVE -> 2 * down;
            case OFF -> 0;
          };
      double gradients = (method == Method.FULL ? 2 : 1) * layer;
      return new LayerProducts(2 * layers * layer, 2 * layers * (gradients + again));
    }

    double both() {
      return forward + backward;
    }
  }
}
