package org.sparkfinetune.spark.cluster;

import java.util.List;
import java.util.stream.Stream;
import org.sparkfinetune.engine.exchange.PeerAddress;
import org.sparkfinetune.errors.UserError;

/**
 * Where a rank sits, as the ranks tell each other in the rendezvous.
 *
 * @param executor Spark's id of the executor
 * @param pid of its process
 */
record Seat(PeerAddress address, String executor, long pid) {
  String encoded() {
    return String.join(
        "\t",
        Integer.toString(address.rank()),
        address.host(),
        Integer.toString(address.port()),
        executor,
        Long.toString(pid));
  }

  static Seat decoded(String text) {
    String[] parts = text.split("\t", -1);
    PeerAddress address =
        new PeerAddress(Integer.parseInt(parts[0]), parts[1], Integer.parseInt(parts[2]));
    return new Seat(address, parts[3], Long.parseLong(parts[4]));
  }

  /** All ranks' seats in rank order; two in one process are the user's to resolve. */
  static List<Seat> arranged(String[] texts) {
    List<Seat> seats = Stream.of(texts).map(Seat::decoded).toList();
    for (Seat a : seats) {
      for (Seat b : seats) {
        if (a.address().rank() < b.address().rank() && a.isTogetherWith(b)) {
          throw new UserError(
              "Ranks %s and %s were put into one executor (%s on %s, process %s), but each needs a JVM of its own. Give an executor exactly the cores of one rank: spark.executor.cores equal on all, and no spark.task.cpus below it; or lower num_ranks."
                  .formatted(
                      a.address().rank(),
                      b.address().rank(),
                      a.executor(),
                      a.address().host(),
                      a.pid()));
        }
      }
    }
    return seats;
  }

  private boolean isTogetherWith(Seat other) {
    return executor.equals(other.executor)
        || (address.host().equals(other.address.host()) && pid == other.pid);
  }
}
