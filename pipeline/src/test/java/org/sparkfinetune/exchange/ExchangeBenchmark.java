package org.sparkfinetune.exchange;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * Throughput between two ranks of one JVM over loopback, after a round to warm up; the best of five
 * rounds, since other work on the machine only ever slows one down.
 *
 * <pre>
 * mvn -q -pl pipeline test-compile exec:java \
 *   -Dexec.classpathScope=test -Dexec.mainClass=org.sparkfinetune.exchange.ExchangeBenchmark
 * </pre>
 *
 * <p>On a busy machine (2 cores with AMX, load average 10; JDK 17, Spark 3.5.9), GB/s:
 *
 * <pre>
 *             frozen  published  pushed   sum of two numbers
 * mapped        9.6       -         -
 * network       1.7      1.1       1.3       0.3 ms
 * encrypted     0.3      0.4       0.6       0.2 ms
 * </pre>
 */
final class ExchangeBenchmark {
  private static final int LAYER = 64 << 20;
  private static final int LAYERS = 8;
  private static final int ROUNDS = 6;

  private ExchangeBenchmark() {}

  public static void main(String[] arguments) throws IOException {
    Path file = Files.createTempFile("shard", "");
    try {
      fill(file);
      for (Groups.Kind kind :
          List.of(Groups.Kind.MAPPED, Groups.Kind.NETWORK, Groups.Kind.ENCRYPTED)) {
        List<Exchange> group = kind.open(2);
        group.get(1).serve(Shard.file(file));
        report(kind, "frozen", () -> frozen(group.get(0)));
        report(kind, "published", new Publishing(group));
        report(kind, "pushed", new Pushing(group));
        reportSums(kind, group);
        Groups.close(group);
      }
    } finally {
      Files.delete(file);
    }
  }

  private static void fill(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      ByteBuffer zeros = ByteBuffer.allocateDirect(LAYER);
      for (int layer = 0; layer < LAYERS; layer++) {
        channel.write(zeros.clear());
      }
    }
  }

  /** One layer ahead, as training reads. */
  private static void frozen(Exchange rank) {
    var next = rank.frozen(1, 0, LAYER);
    for (int layer = 1; layer <= LAYERS; layer++) {
      ByteBuffer bytes = rank.await(next);
      if (layer < LAYERS) {
        next = rank.frozen(1, (long) layer * LAYER, LAYER);
      }
      touch(bytes);
      rank.recycle(bytes);
    }
  }

  /** Mapped bytes move only when they are read. */
  private static void touch(ByteBuffer bytes) {
    long sum = 0;
    for (int at = 0; at < bytes.limit(); at += 64) {
      sum += bytes.get(at);
    }
    if (sum != 0) {
      throw new AssertionError("The file holds zeros.");
    }
  }

  private static final class Publishing implements Runnable {
    private final List<Exchange> group;
    private final ByteBuffer value = ByteBuffer.allocateDirect(LAYER);
    private long version;

    Publishing(List<Exchange> group) {
      this.group = group;
    }

    @Override
    public void run() {
      for (int i = 0; i < LAYERS; i++) {
        group.get(1).publish("value", version, value);
        Exchange reader = group.get(0);
        reader.recycle(reader.await(reader.published(1, "value", version++)));
      }
    }
  }

  private static final class Pushing implements Runnable {
    private final List<Exchange> group;
    private final ByteBuffer value = ByteBuffer.allocateDirect(LAYER);
    private final ByteBuffer nothing = ByteBuffer.allocateDirect(0);
    private long version;

    Pushing(List<Exchange> group) {
      this.group = group;
    }

    @Override
    public void run() {
      for (int i = 0; i < LAYERS; i++) {
        Exchange owner = group.get(1);
        owner.await(owner.push(1, "gradient", version, nothing));
        group.get(0).await(group.get(0).push(1, "gradient", version, value));
        owner.await(owner.pushed("gradient", version++)).forEach(owner::recycle);
      }
    }
  }

  private static void report(Groups.Kind kind, String what, Runnable round) {
    double best = 0;
    for (int i = 0; i < ROUNDS; i++) {
      long start = System.nanoTime();
      round.run();
      double rate = (double) LAYER * LAYERS / (System.nanoTime() - start);
      best = i == 0 ? 0 : Math.max(best, rate);
    }
    System.out.printf("%-10s %-10s %6.2f GB/s%n", kind, what, best);
  }

  private static void reportSums(Groups.Kind kind, List<Exchange> group) {
    List<Double> micros = new ArrayList<>();
    Groups.onAll(
        group,
        rank -> {
          for (long version = 0; version < 2000; version++) {
            long start = System.nanoTime();
            rank.sum("norm", version, new double[2]);
            if (rank.rank() == 0 && version >= 1000) {
              micros.add((System.nanoTime() - start) / 1e3);
            }
          }
          return 0;
        });
    micros.sort(null);
    System.out.printf("%-10s %-10s %6.0f us (median)%n", kind, "sum", micros.get(500));
  }
}
