package org.sparkfinetune.model.quant;

import java.nio.ByteBuffer;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;

/** Billions of weights a second on one thread: {@code jobs/bin/bench kernels Nf4Benchmark}. */
@State(Scope.Thread)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class Nf4Benchmark {
  private static final int BLOCKS = 1 << 14;
  private static final int WEIGHTS = BLOCKS * Nf4Codec.BLOCK;

  @Param({"scalar", "fastest"})
  public String codecName = "";

  private final float[] weights = new float[WEIGHTS];
  private final float[] absmax = new float[BLOCKS];
  private final ByteBuffer packed = ByteBuffer.allocateDirect(WEIGHTS / 2);
  private final ByteBuffer out = ByteBuffer.allocateDirect(WEIGHTS * 4);
  private Nf4Codec codec = new ScalarNf4();
  private NestedAbsmax nested = new NestedAbsmax(new byte[0], new float[0], 0);

  @Setup
  public void fill() {
    codec = codecName.equals("scalar") ? new ScalarNf4() : Nf4Codec.fastest();
    Random random = new Random(1);
    for (int i = 0; i < WEIGHTS; i++) {
      weights[i] = (float) random.nextGaussian() * 0.02f;
    }
    codec.absmax(weights, 0, WEIGHTS, absmax, 0);
    codec.encode(weights, 0, WEIGHTS, absmax, 0, packed.clear());
    float offset = DoubleQuantization.offset(DoubleQuantization.sum(absmax, 0, BLOCKS), BLOCKS);
    nested = DoubleQuantization.encode(absmax, offset);
    Floats.fromFloats(DType.BF16, weights, 0, WEIGHTS, out.clear());
  }

  @Benchmark
  @OperationsPerInvocation(WEIGHTS)
  public float[] absmax() {
    codec.absmax(weights, 0, WEIGHTS, absmax, 0);
    return absmax;
  }

  @Benchmark
  @OperationsPerInvocation(WEIGHTS)
  public ByteBuffer encode() {
    codec.encode(weights, 0, WEIGHTS, absmax, 0, packed.clear());
    return packed;
  }

  @Benchmark
  @OperationsPerInvocation(WEIGHTS)
  public ByteBuffer decodeToBf16() {
    codec.decodeToBf16(packed, 0, absmax, 0, WEIGHTS, out, 0);
    return out;
  }

  @Benchmark
  @OperationsPerInvocation(WEIGHTS)
  public ByteBuffer decodeNestedToBf16() {
    codec.decodeToBf16(packed, 0, nested, 0, WEIGHTS, out, 0);
    return out;
  }

  @Benchmark
  @OperationsPerInvocation(WEIGHTS)
  public ByteBuffer decodeNestedToFloat32() {
    codec.decodeToFloat32(packed, 0, nested, 0, WEIGHTS, out, 0);
    return out;
  }

  @Benchmark
  @OperationsPerInvocation(WEIGHTS)
  public ByteBuffer float32ToBf16() {
    Floats.fromFloats(DType.BF16, weights, 0, WEIGHTS, out.clear());
    return out;
  }

  @Benchmark
  @OperationsPerInvocation(WEIGHTS)
  public float[] bf16ToFloat32() {
    Floats.toFloats(DType.BF16, out.clear(), weights, 0, WEIGHTS);
    return weights;
  }
}
