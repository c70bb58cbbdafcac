package org.sparkfinetune.bench;

import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.Random;
import org.sparkfinetune.quant.DoubleQuantization;
import org.sparkfinetune.quant.NestedAbsmax;
import org.sparkfinetune.quant.Nf4Codec;
import org.sparkfinetune.quant.ScalarNf4;
import org.sparkfinetune.safetensors.DType;
import org.sparkfinetune.safetensors.Floats;

/**
 * Billions of weights a second of processor time on one thread, the best of ten rounds; run after
 * {@code mvn test-compile} with
 *
 * <pre>
 * java --add-modules jdk.incubator.vector -cp pipeline/target/classes:pipeline/target/test-classes:…
 *     org.sparkfinetune.bench.Nf4Benchmark</pre>
 *
 * <p>On an AMD EPYC (Zen 3, AVX2) with Java 17.0.15: decode to bf16 2.1 (with nested absmax 2.0),
 * to float32 1.4, encode 0.41, absmax 1.4; the scalar codec 0.3, 0.5, 0.11, 1.4. With Java 25.0.3:
 * 3.0 (2.8), 1.9, 0.43, 2.0.
 */
public final class Nf4Benchmark {
  private static final int BLOCKS = 1 << 14;
  private static final int WEIGHTS = BLOCKS * Nf4Codec.BLOCK;
  private static final int ROUNDS = 10;
  private static final long ROUND_NANOS = 300_000_000;

  private Nf4Benchmark() {}

  public static void main(String[] args) {
    float[] weights = new float[WEIGHTS];
    Random random = new Random(1);
    for (int i = 0; i < WEIGHTS; i++) {
      weights[i] = (float) random.nextGaussian() * 0.02f;
    }
    System.out.printf("Java %s%n", System.getProperty("java.version"));
    measure("scalar", new ScalarNf4(), weights);
    measure("fastest " + Nf4Codec.fastest(), Nf4Codec.fastest(), weights);
    ByteBuffer bf16 = ByteBuffer.allocateDirect(WEIGHTS * 2);
    report(
        "float32 to bf16", () -> Floats.fromFloats(DType.BF16, weights, 0, WEIGHTS, bf16.clear()));
    report("bf16 to float32", () -> Floats.toFloats(DType.BF16, bf16.clear(), weights, 0, WEIGHTS));
    report("float32 to f16", () -> Floats.fromFloats(DType.F16, weights, 0, WEIGHTS, bf16.clear()));
    report("f16 to float32", () -> Floats.toFloats(DType.F16, bf16.clear(), weights, 0, WEIGHTS));
  }

  private static void measure(String name, Nf4Codec codec, float[] weights) {
    float[] absmax = new float[BLOCKS];
    ByteBuffer packed = ByteBuffer.allocateDirect(WEIGHTS / 2);
    ByteBuffer out = ByteBuffer.allocateDirect(WEIGHTS * 4);
    report(name + " absmax", () -> codec.absmax(weights, 0, WEIGHTS, absmax, 0));
    report(name + " encode", () -> codec.encode(weights, 0, WEIGHTS, absmax, 0, packed.clear()));
    float offset = DoubleQuantization.offset(DoubleQuantization.sum(absmax, 0, BLOCKS), BLOCKS);
    NestedAbsmax nested = DoubleQuantization.encode(absmax, offset);
    report(
        name + " decode to bf16", () -> codec.decodeToBf16(packed, 0, absmax, 0, WEIGHTS, out, 0));
    report(
        name + " decode to bf16, nested",
        () -> codec.decodeToBf16(packed, 0, nested, 0, WEIGHTS, out, 0));
    report(
        name + " decode to float32, nested",
        () -> codec.decodeToFloat32(packed, 0, nested, 0, WEIGHTS, out, 0));
  }

  private static void report(String name, Runnable pass) {
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
      long start = processorNanos();
      long passes = 0;
      while (processorNanos() - start < ROUND_NANOS) {
        pass.run();
        passes++;
      }
      best = Math.max(best, (double) passes * WEIGHTS / (processorNanos() - start));
    }
    System.out.printf("%-50s %6.2f Gweights/s%n", name, best);
  }

  private static long processorNanos() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }
}
