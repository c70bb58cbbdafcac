package org.sparkfinetune.engine.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class MailboxTest {
  private final Mailbox mailbox = new Mailbox(2);
  private final Mailbox.Key key = new Mailbox.Key("sum of end", 0);

  @Test
  void names_the_ranks_whose_contribution_has_not_arrived() {
    CompletableFuture<List<ByteBuffer>> taken = mailbox.take(key);
    assertThat(mailbox.missing(key)).containsExactly(0, 1);
    mailbox.deliver(1, key, ByteBuffer.allocate(1));
    assertThat(mailbox.missing(key)).containsExactly(0);
    assertThat(taken).isNotDone();
  }

  @Test
  void a_complete_set_misses_nobody_while_it_is_handed_over() {
    CompletableFuture<List<Integer>> missing =
        mailbox.take(key).thenApply(contributions -> mailbox.missing(key));
    mailbox.deliver(0, key, ByteBuffer.allocate(1));
    mailbox.deliver(1, key, ByteBuffer.allocate(2));
    assertThat(missing).isCompletedWithValue(List.of());
  }
}
