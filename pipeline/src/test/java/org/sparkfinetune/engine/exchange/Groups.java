package org.sparkfinetune.engine.exchange;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import org.sparkfinetune.engine.exchange.NetworkEndpoint.PeerAddress;

/** Groups of ranks in this JVM, and a way to run something on all of them at once. */
final class Groups {
  static final ExchangeSettings QUICK =
      ExchangeSettings.defaults()
          .withTimeouts(Duration.ofSeconds(10), Duration.ofSeconds(5), Duration.ofSeconds(20));

  private Groups() {}

  enum Kind {
    IN_PROCESS,
    MAPPED,
    NETWORK,
    ENCRYPTED;

    List<ProcessGroup> open(int worldSize) {
      return switch (this) {
        case IN_PROCESS -> InProcessGroup.group(worldSize, QUICK);
        case MAPPED -> network(worldSize, QUICK);
        case NETWORK -> network(worldSize, QUICK.with(ExchangeSettings.Mapping.NETWORK));
        case ENCRYPTED ->
            network(
                worldSize,
                QUICK.with(ExchangeSettings.Mapping.NETWORK).with(ExchangeSettings.Encryption.ON));
      };
    }
  }

  static List<ProcessGroup> network(int worldSize, ExchangeSettings settings) {
    Secret secret = Secret.random();
    List<NetworkEndpoint> endpoints = new ArrayList<>();
    for (int rank = 0; rank < worldSize; rank++) {
      endpoints.add(NetworkEndpoint.open(settings, secret, rank, worldSize, "127.0.0.1"));
    }
    List<PeerAddress> addresses = endpoints.stream().map(NetworkEndpoint::address).toList();
    return endpoints.stream().map(endpoint -> endpoint.connect(addresses)).toList();
  }

  /** Runs {@code work} on a thread for each rank; results in rank order, or the first failure. */
  static <T> List<T> onAll(List<ProcessGroup> group, Function<ProcessGroup, T> work) {
    ExecutorService threads = Executors.newFixedThreadPool(group.size());
    try {
      List<CompletableFuture<T>> results =
          group.stream()
              .map(rank -> CompletableFuture.supplyAsync(() -> work.apply(rank), threads))
              .toList();
      return results.stream().map(CompletableFuture::join).toList();
    } finally {
      threads.shutdownNow();
    }
  }

  static void close(List<ProcessGroup> group) {
    group.forEach(ProcessGroup::close);
  }
}
