package org.sparkfinetune.engine.exchange;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.sparkfinetune.errors.Bug;

/**
 * Sums over all ranks by pushing everybody's numbers to everybody: one hop instead of two, and each
 * rank adds the same numbers in the same order.
 */
final class AllReduce {
  private AllReduce() {}

  static double[] of(ProcessGroup exchange, String name, long version, double[] values) {
    String key = "sum of " + name;
    List<CompletableFuture<Void>> sent = new ArrayList<>();
    CompletableFuture<List<ByteBuffer>> all = exchange.pushed(key, version);
    for (int owner = 0; owner < exchange.worldSize(); owner++) {
      sent.add(exchange.push(owner, key, version, encoded(values)));
    }
    // Not before the last peer has this rank's numbers: a caller may close right after a sum.
    sent.forEach(exchange::await);
    List<ByteBuffer> contributions = exchange.await(all);
    double[] sum = added(contributions, values.length, name);
    contributions.forEach(exchange::recycle);
    return sum;
  }

  private static double[] added(List<ByteBuffer> contributions, int length, String name) {
    double[] sum = new double[length];
    for (int rank = 0; rank < contributions.size(); rank++) {
      DoubleBuffer numbers =
          contributions.get(rank).duplicate().order(ByteOrder.LITTLE_ENDIAN).asDoubleBuffer();
      if (numbers.remaining() != length) {
        throw new Bug(
            "Rank %s adds %s numbers to the sum '%s', this rank %s."
                .formatted(rank, numbers.remaining(), name, length));
      }
      for (int i = 0; i < length; i++) {
        sum[i] = rank == 0 ? numbers.get(i) : sum[i] + numbers.get(i);
      }
    }
    return sum;
  }

  private static ByteBuffer encoded(double[] values) {
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(values.length * Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asDoubleBuffer().put(values);
    return bytes;
  }
}
