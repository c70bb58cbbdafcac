package org.sparkfinetune.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.engine.exchange.NetworkEndpoint.PeerAddress;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.cluster.RankRunner.RankAddress;
import org.sparkfinetune.spark.cluster.RankRunner.RankLock;

class RankAddressTest {
  private static RankAddress address(int rank, String host, String executor, long pid) {
    return new RankAddress(new PeerAddress(rank, host, 4000 + rank), executor, pid);
  }

  @Test
  void seats_survive_the_rendezvous() {
    RankAddress a = address(0, "fe80::1", "0", 7);
    RankAddress b = address(1, "w2", "1", 7);
    assertThat(RankAddress.arranged(new String[] {a.encoded(), b.encoded()})).containsExactly(a, b);
  }

  @Test
  void two_ranks_in_one_jvm_are_the_users_to_resolve() {
    String[] texts = {address(0, "w1", "3", 77).encoded(), address(1, "w1", "3", 77).encoded()};
    assertThatThrownBy(() -> RankAddress.arranged(texts))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("Ranks 0 and 1 were put into one executor (3 on w1, process 77)")
        .hasMessageContaining("spark.executor.cores");
  }

  @Test
  void a_second_rank_in_a_jvm_waits_and_then_says_what_is_in_its_way() {
    try (RankLock first = RankLock.acquire("rank 0 of attempt 0", Duration.ZERO)) {
      assertThat(first).isNotNull();
      assertThatThrownBy(() -> RankLock.acquire("rank 1 of attempt 1", Duration.ofMillis(1)))
          .isInstanceOf(RunFailure.class)
          .hasMessageContaining("still runs rank 0 of attempt 0");
    }
    RankLock.acquire("rank 1 of attempt 1", Duration.ZERO).close();
  }
}
