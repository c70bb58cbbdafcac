package org.sparkfinetune.engine.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class ReceivedContributionsTest {
  private final ReceivedContributions contributions = new ReceivedContributions(2);
  private final ReceivedContributions.Key key = new ReceivedContributions.Key("sum of end", 0);

  @Test
  void names_the_ranks_whose_contribution_has_not_arrived() {
    CompletableFuture<List<ByteBuffer>> taken = contributions.take(key);
    assertThat(contributions.missing(key)).containsExactly(0, 1);
    contributions.deliver(1, key, ByteBuffer.allocate(1));
    assertThat(contributions.missing(key)).containsExactly(0);
    assertThat(taken).isNotDone();
  }

  @Test
  void a_complete_set_misses_nobody_while_it_is_handed_over() {
    CompletableFuture<List<Integer>> missing =
        contributions.take(key).thenApply(complete -> contributions.missing(key));
    contributions.deliver(0, key, ByteBuffer.allocate(1));
    contributions.deliver(1, key, ByteBuffer.allocate(2));
    assertThat(missing).isCompletedWithValue(List.of());
  }
}
