package org.sparkfinetune.engine.fsdp;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.engine.exchange.ProcessGroup;

/**
 * The ranks that hold a frozen model between them: slice {@code i} lies with the {@code i}th. Other
 * ranks hold it, too, between them; what is trained is sharded over all ranks of a run.
 *
 * @param ranks in ascending order
 * @param position the own rank's place among them
 */
public record ShardRanks(List<Integer> ranks, int position) {
  public ShardRanks {
    ranks = List.copyOf(ranks);
  }

  /** All ranks of the run. */
  public static ShardRanks all(ProcessGroup exchange) {
    List<Integer> ranks = new ArrayList<>();
    for (int rank = 0; rank < exchange.worldSize(); rank++) {
      ranks.add(rank);
    }
    return new ShardRanks(ranks, exchange.rank());
  }

  /** This rank by itself. */
  public static ShardRanks alone(ProcessGroup exchange) {
    return new ShardRanks(List.of(exchange.rank()), 0);
  }

  /** The ranks of this rank's host. */
  public static ShardRanks onThisHost(ProcessGroup exchange) {
    List<String> hosts = exchange.hosts();
    String own = hosts.get(exchange.rank());
    List<Integer> ranks =
        all(exchange).ranks().stream().filter(rank -> hosts.get(rank).equals(own)).toList();
    return new ShardRanks(ranks, ranks.indexOf(exchange.rank()));
  }

  public int size() {
    return ranks.size();
  }
}
