package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.NetworkEndpoint;
import org.sparkfinetune.engine.exchange.NetworkEndpoint.PeerAddress;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.exchange.Secret;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.testing.ChildJvm;

/**
 * Runs of two processes on one shard store, now of the same model, now of another, each of which
 * deletes whatever it may. Peers read shards by their path, as they do from another host.
 */
class OverlappingRunsTest {
  private static final int ROUNDS = Integer.getInteger("overlapping.runs", 2);
  private static final int RANKS = 2;
  private static final int STEPS = 4;

  @TempDir Path folder;

  @Test
  void runs_that_overlap_on_one_shard_store_come_to_their_ends() throws Exception {
    List<GoldenRun.Step> alone =
        golden(folder.resolve("alone")).run(RANKS, STEPS, s -> 2e-3, 0.3, 0).steps();
    Process other =
        new ProcessBuilder(
                ChildJvm.command(
                    ChildJvm.sparkOptions(),
                    OverlappingRunsTest.class,
                    folder.toString(),
                    Integer.toString(ROUNDS)))
            .redirectErrorStream(true)
            .redirectOutput(ChildJvm.log(OverlappingRunsTest.class))
            .start();
    try {
      int rounds = 0;
      for (; rounds < ROUNDS || other.isAlive(); rounds++) {
        assertThat(run(folder, "here", rounds)).as("round %d", rounds).isEqualTo(alone);
      }
      assertThat(other.waitFor()).isZero();
    } finally {
      other.destroyForcibly();
    }
  }

  /** The other process: a folder and a number of rounds. */
  public static void main(String[] words) throws Exception {
    Path folder = Path.of(words[0]);
    for (int round = 0; round < Integer.parseInt(words[1]); round++) {
      run(folder, "there", round + 1);
    }
  }

  private static List<GoldenRun.Step> run(Path folder, String who, int round) throws Exception {
    Path scratch = Files.createDirectories(folder.resolve(who));
    return golden(scratch)
        .keptIn(folder.resolve("store"), "model-" + round / 2 % 2)
        .run(group(), STEPS, step -> 2e-3, 0.3, 0)
        .steps();
  }

  private static GoldenRun golden(Path scratch) {
    return new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0, scratch);
  }

  private static List<ProcessGroup> group() {
    // So that peers of a rank that fails do not wait for an hour.
    Duration patience = Duration.ofSeconds(60);
    ExchangeSettings settings =
        ExchangeSettings.defaults()
            .with(ExchangeSettings.Mapping.NETWORK)
            .withTimeouts(patience, patience, patience);
    Secret secret = Secret.random();
    List<NetworkEndpoint> endpoints = new ArrayList<>();
    for (int rank = 0; rank < RANKS; rank++) {
      endpoints.add(NetworkEndpoint.open(settings, secret, rank, RANKS, "127.0.0.1"));
    }
    List<PeerAddress> addresses = endpoints.stream().map(NetworkEndpoint::address).toList();
    return endpoints.stream().map(endpoint -> endpoint.connect(addresses)).toList();
  }
}
