package org.sparkfinetune.engine.exchange;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
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
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Between two ranks of one JVM over loopback, GB a second, and microseconds for a sum: {@code
 * jobs/bin/bench kernels ProcessGroupBenchmark}.
 */
@State(Scope.Benchmark)
@Fork(1)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 3, time = 2)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class ProcessGroupBenchmark {
  private static final int LAYER = 64 << 20;
  private static final int LAYERS = 4;
  private static final int SUMS = 100;

  @Param({"MAPPED", "NETWORK", "ENCRYPTED"})
  public String kind = "";

  private final ByteBuffer value = ByteBuffer.allocateDirect(LAYER);
  private final ByteBuffer nothing = ByteBuffer.allocateDirect(0);
  private Path file = Path.of("");
  private List<ProcessGroup> group = List.of();
  private long version;

  @Setup
  public void open() throws IOException {
    file = Files.createTempFile("shard", "");
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      for (int layer = 0; layer < LAYERS; layer++) {
        channel.write(value.clear());
      }
    }
    value.clear();
    group = Groups.Kind.valueOf(kind).open(2);
    group.get(1).serve(Shard.file(file));
  }

  @TearDown
  public void close() throws IOException {
    Groups.close(group);
    Files.delete(file);
  }

  /** One layer ahead, as training reads. */
  @Benchmark
  @OperationsPerInvocation(LAYER * LAYERS)
  public long frozen() {
    ProcessGroup rank = group.get(0);
    long sum = 0;
    var next = rank.frozen(1, 0, LAYER);
    for (int layer = 1; layer <= LAYERS; layer++) {
      ByteBuffer bytes = rank.await(next);
      if (layer < LAYERS) {
        next = rank.frozen(1, (long) layer * LAYER, LAYER);
      }
      sum += touched(bytes);
      rank.recycle(bytes);
    }
    return sum;
  }

  /** Mapped bytes move only when they are read. */
  private static long touched(ByteBuffer bytes) {
    long sum = 0;
    for (int at = 0; at < bytes.limit(); at += 64) {
      sum += bytes.get(at);
    }
    return sum;
  }

  @Benchmark
  @OperationsPerInvocation(LAYER)
  public void published() {
    group.get(1).publish("value", ++version, value);
    ProcessGroup reader = group.get(0);
    reader.recycle(reader.await(reader.published(1, "value", version)));
  }

  @Benchmark
  @OperationsPerInvocation(LAYER)
  public void pushed() {
    version++;
    ProcessGroup owner = group.get(1);
    owner.await(owner.push(1, "gradient", version, nothing));
    group.get(0).await(group.get(0).push(1, "gradient", version, value.duplicate()));
    owner.await(owner.pushed("gradient", version)).forEach(owner::recycle);
  }

  @Benchmark
  @OperationsPerInvocation(SUMS)
  @BenchmarkMode(Mode.AverageTime)
  @OutputTimeUnit(TimeUnit.MICROSECONDS)
  public List<Double> sumOfTwoNumbers() {
    long first = version;
    version += SUMS;
    return Groups.onAll(
        group,
        rank -> {
          double last = 0;
          for (int i = 1; i <= SUMS; i++) {
            last = rank.sum("norm", first + i, new double[2])[0];
          }
          return last;
        });
  }
}
