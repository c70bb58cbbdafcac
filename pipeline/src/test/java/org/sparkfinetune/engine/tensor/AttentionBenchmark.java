package org.sparkfinetune.engine.tensor;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.sparkfinetune.engine.tensor.Processor.CpuAttention;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * Attention of one layer on all cores, 1,024 tokens with llama-135m's heads: {@code jobs/bin/bench
 * kernels AttentionBenchmark}.
 */
@State(org.openjdk.jmh.annotations.Scope.Benchmark)
@Fork(1)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
public class AttentionBenchmark {
  private static final int TOKENS = 1024;
  private static final int HEADS = 9;
  private static final int KEY_HEADS = 3;
  private static final int HEAD_DIM = 64;

  @Param({"FLASH", "BLOCKS"})
  public String attention = "";

  @Param({"BFLOAT16", "FLOAT32"})
  public String type = "";

  /** Of each sample. */
  @Param({"128", "512"})
  public int length;

  /** Whether a layer is computed again, so that its backward comes next. */
  @Param({"false", "true"})
  public boolean soon;

  private Torch torch;
  private Scope scope;
  private AttentionCall call;
  private List<Tensor> out;

  @Setup
  public void fill() {
    int cores = Runtime.getRuntime().availableProcessors();
    torch = Torch.start(cores, new ComputeDevice.Cpu(), CpuAttention.valueOf(attention));
    scope = torch.scope();
    Random random = new Random(1);
    long[] cuts = new long[TOKENS / length + 1];
    Arrays.setAll(cuts, i -> (long) i * length);
    call =
        new AttentionCall(
            torch,
            some(random, HEADS),
            some(random, KEY_HEADS),
            some(random, KEY_HEADS),
            some(random, HEADS),
            cuts);
    out = call.forward(scope, soon);
  }

  @TearDown
  public void close() {
    scope.close();
    torch.close();
  }

  @Benchmark
  public void forward() {
    try (Scope own = torch.scope()) {
      call.forward(own, soon);
    }
  }

  @Benchmark
  public void backward() {
    try (Scope own = torch.scope()) {
      call.backward(own, out);
    }
  }

  private Tensor some(Random random, int heads) {
    float[] values = new float[TOKENS * heads * HEAD_DIM];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    Ops ops = new Ops(torch);
    Tensor exact = ops.ofFloats(scope, values, TOKENS, heads, HEAD_DIM);
    return ops.cast(scope, exact, ElementType.valueOf(type));
  }
}
