package org.sparkfinetune.engine.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.engine.tensor.Processor.CpuAttention;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/** Both ways beside float32 by libtorch's own kernel, which is the measure. */
class CpuAttentionTest {
  private static final int HEADS = 6;
  private static final int KEY_HEADS = 2;
  private static final int HEAD_DIM = 16;
  private static final long[] CUTS = {0, 1, 64, 129, 192, 192 + 200};

  @ParameterizedTest(name = "scores of about {0}")
  @CsvSource({"1", "10", "100"})
  void blocks_are_as_near_to_float32_as_flash_attention(double size) {
    Numbers numbers = new Numbers(new Random(7), Math.sqrt(size));
    List<float[]> exact = run(CpuAttention.FLASH, ElementType.FLOAT32, numbers);
    List<float[]> flash = run(CpuAttention.FLASH, ElementType.BFLOAT16, numbers);
    List<float[]> blocks = run(CpuAttention.BLOCKS, ElementType.BFLOAT16, numbers);
    for (int i = 0; i < exact.size(); i++) {
      assertThat(distance(blocks.get(i), exact.get(i)))
          .as("%s beside %s", i, distance(flash.get(i), exact.get(i)))
          .isLessThan(1.6 * distance(flash.get(i), exact.get(i)) + 1e-6);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"BFLOAT16", "FLOAT32"})
  void probabilities_that_wait_for_the_backward_change_no_bit(ElementType type) {
    Numbers numbers = new Numbers(new Random(7), 3);
    try (Torch torch = Torch.start(1, new ComputeDevice.Cpu(), CpuAttention.BLOCKS);
        Scope scope = torch.scope()) {
      Ops ops = new Ops(torch);
      AttentionCall call = call(torch, scope, type, numbers);
      List<Tensor> alone = call.forward(scope, false);
      List<Tensor> soon = call.forward(scope, true);
      assertThat(alone.get(1).elements()).isZero();
      // Samples of 64, 64, 128, 64 and 256 tokens with what fills them; blocks see 64, 128, ...
      assertThat(soon.get(1).elements())
          .isEqualTo(HEADS * 64 * (64 + 64 + (64 + 128) + 64 + (64 + 128 + 192 + 256)));
      assertThat(all(ops, scope, call, soon))
          .usingRecursiveComparison()
          .isEqualTo(all(ops, scope, call, alone));
    }
  }

  @Test
  void float32_in_blocks_is_flash_attention_but_for_rounding() {
    Numbers numbers = new Numbers(new Random(7), 3);
    List<float[]> flash = run(CpuAttention.FLASH, ElementType.FLOAT32, numbers);
    List<float[]> blocks = run(CpuAttention.BLOCKS, ElementType.FLOAT32, numbers);
    for (int i = 0; i < flash.size(); i++) {
      assertThat(distance(blocks.get(i), flash.get(i))).as("%s", i).isLessThan(1e-6);
    }
  }

  /** Values of bfloat16 precision, so that both types start from the same. */
  private record Numbers(float[] q, float[] k, float[] v, float[] dout) {
    Numbers(Random random, double size) {
      this(
          some(random, HEADS, size),
          some(random, KEY_HEADS, size),
          some(random, KEY_HEADS, 1),
          some(random, HEADS, 1));
    }

    private static float[] some(Random random, int heads, double size) {
      float[] values = new float[(int) CUTS[CUTS.length - 1] * heads * HEAD_DIM];
      for (int i = 0; i < values.length; i++) {
        int bits = Float.floatToIntBits((float) (size * random.nextGaussian()));
        values[i] = Float.intBitsToFloat(bits & 0xFFFF0000);
      }
      return values;
    }
  }

  /** out, dq, dk, dv. */
  private static List<float[]> run(CpuAttention attention, ElementType type, Numbers numbers) {
    try (Torch torch = Torch.start(1, new ComputeDevice.Cpu(), attention);
        Scope scope = torch.scope()) {
      AttentionCall call = call(torch, scope, type, numbers);
      return all(new Ops(torch), scope, call, call.forward(scope, false));
    }
  }

  private static List<float[]> all(Ops ops, Scope scope, AttentionCall call, List<Tensor> forward) {
    List<Tensor> all = new ArrayList<>(List.of(forward.get(0)));
    all.addAll(call.backward(scope, forward));
    return all.stream().map(x -> floats(ops, scope, x)).toList();
  }

  private static AttentionCall call(Torch torch, Scope scope, ElementType type, Numbers numbers) {
    Ops ops = new Ops(torch);
    return new AttentionCall(
        torch,
        tensor(ops, scope, type, numbers.q(), HEADS),
        tensor(ops, scope, type, numbers.k(), KEY_HEADS),
        tensor(ops, scope, type, numbers.v(), KEY_HEADS),
        tensor(ops, scope, type, numbers.dout(), HEADS),
        CUTS);
  }

  private static Tensor tensor(Ops ops, Scope scope, ElementType type, float[] values, int heads) {
    return ops.cast(
        scope, ops.ofFloats(scope, values, CUTS[CUTS.length - 1], heads, HEAD_DIM), type);
  }

  private static float[] floats(Ops ops, Scope scope, Tensor x) {
    Tensor contiguous = ops.zeros(scope, ElementType.FLOAT32, x.shape());
    ops.copy(scope, contiguous, x);
    return contiguous.toFloats();
  }

  /** Relative, over all numbers. */
  private static double distance(float[] a, float[] b) {
    double difference = 0;
    double all = 0;
    for (int i = 0; i < a.length; i++) {
      difference += Math.pow((double) a[i] - b[i], 2);
      all += Math.pow(b[i], 2);
    }
    return Math.sqrt(difference / all);
  }
}
