package org.sparkfinetune.engine.exchange;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.engine.exchange.ExchangeContractTest.array;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.exchange.ProcessGroup.PeerLoss;
import org.sparkfinetune.engine.exchange.ShardOffer.OfferCodec;
import org.sparkfinetune.errors.RunFailure;

/** What only a group of processes can get wrong: other files, other groups, silence and death. */
class NetworkProcessGroupTest {
  private static final ExchangeSettings IMPATIENT =
      ExchangeSettings.defaults()
          .withTimeouts(Duration.ofSeconds(2), Duration.ofMillis(400), Duration.ofMillis(600));

  @TempDir Path folder;
  private List<ProcessGroup> group = List.of();

  @AfterEach
  void closeGroup() {
    Groups.close(group);
  }

  @Test
  void a_slow_peer_is_named_with_what_was_waited_for_and_how_long() {
    group = Groups.network(2, IMPATIENT);
    assertThatThrownBy(() -> group.get(0).await(group.get(0).published(1, "lora/3", 12)))
        .isInstanceOf(RunFailure.class)
        .hasMessageMatching(
            "Rank 0 \\(127.0.0.1\\) waited 0\\.[6-9] s for rank 1 \\(127.0.0.1:\\d+\\) to publish"
                + " 'lora/3' version 12\\. It is connected and answers, so it is slow or stuck.*");
    assertThatThrownBy(() -> group.get(0).sum("norm", 3, new double[1]))
        .hasMessageContaining("for 'sum of norm' version 3 from rank 1 (127.0.0.1:");
    assertThat(group.get(0).failure()).isEmpty();
  }

  @Test
  void two_processes_exchange_and_a_killed_one_is_noticed_at_once() throws Exception {
    try (OtherProcess other = OtherProcess.start(Groups.QUICK, folder)) {
      ProcessGroup exchange = other.exchange();
      assertThat(array(exchange.await(exchange.frozen(1, 1, 3)))).containsExactly(1, 2, 3);
      assertThat(exchange.sum("both", 0, new double[] {1.5})).containsExactly(44.0);
      CompletableFuture<ByteBuffer> never = exchange.published(1, "never", 1);
      other.kill();
      assertThatThrownBy(() -> never.get(3, TimeUnit.SECONDS))
          .hasCauseInstanceOf(RunFailure.class)
          .hasMessageContaining("rank 1 (127.0.0.1:")
          .hasMessageContaining("closed its connection (its process ended or was killed)");
      assertThat(exchange.failure()).map(PeerLoss::rank).contains(1);
    }
  }

  @Test
  void a_frozen_process_is_noticed_after_the_peer_time_out() throws Exception {
    ExchangeSettings patient =
        ExchangeSettings.defaults()
            .withTimeouts(Duration.ofSeconds(5), Duration.ofMillis(800), Duration.ofSeconds(60));
    try (OtherProcess other = OtherProcess.start(patient, folder)) {
      CompletableFuture<ByteBuffer> never = other.exchange().published(1, "never", 1);
      other.freeze();
      assertThatThrownBy(() -> never.get(10, TimeUnit.SECONDS))
          .hasCauseInstanceOf(RunFailure.class)
          .hasMessageContaining("did not answer for 0.8 s");
    }
  }

  @Test
  void what_a_frozen_process_does_not_take_is_cut_off_and_may_be_freed() throws Exception {
    ExchangeSettings patient =
        ExchangeSettings.defaults()
            .withTimeouts(Duration.ofSeconds(5), Duration.ofMillis(800), Duration.ofSeconds(60));
    try (OtherProcess other = OtherProcess.start(patient, folder)) {
      ProcessGroup exchange = other.exchange();
      other.freeze();
      CompletableFuture<Void> sent =
          exchange.push(1, "gradients", 1, ByteBuffer.allocateDirect(64 << 20));
      long begin = System.nanoTime();
      assertThat(exchange.withdraw()).isTrue();
      assertThat(Duration.ofNanos(System.nanoTime() - begin)).isGreaterThan(Duration.ofMillis(700));
      assertThatThrownBy(() -> exchange.await(sent)).isInstanceOf(RunFailure.class);
    }
  }

  @Test
  void a_peer_is_mapped_only_if_its_nonce_is_found_and_the_file_is_the_same() throws IOException {
    Path file = Files.write(folder.resolve("shard"), new byte[1000]);
    ShardOffer offer = ShardOffer.of(Shard.file(file));
    Nonce nonce = offer.nonce().orElseThrow();
    assertThat(nonce.file().getParent()).isEqualTo(folder);
    assertThat(Files.getPosixFilePermissions(nonce.file()))
        .isEqualTo(PosixFilePermissions.fromString("rw-------"));
    ShardOffer told = OfferCodec.decode(OfferCodec.encode(offer));
    assertThat(told).isEqualTo(offer);
    assertThat(told.mapIfSame()).isPresent();

    Files.write(nonce.file(), new byte[Nonce.LENGTH]);
    assertThat(told.mapIfSame()).isEmpty();
    Files.write(nonce.file(), nonce.bytes());
    assertThat(told.mapIfSame()).isPresent();
    Files.write(file, new byte[999]);
    assertThat(told.mapIfSame()).isEmpty();
    nonce.delete();
    assertThat(told.mapIfSame()).isEmpty();
  }

  @Test
  void nothing_is_left_beside_the_shard() throws IOException {
    Path file = Files.write(folder.resolve("shard"), new byte[10]);
    List<ProcessGroup> two = Groups.network(2, Groups.QUICK);
    two.get(0).serve(Shard.file(file));
    assertThat(folder).isDirectoryContaining("glob:**.nonce");
    Groups.close(two);
    assertThat(folder).isDirectoryNotContaining("glob:**.nonce");
  }

  @Test
  void a_rank_without_the_secret_or_of_another_group_is_refused() {
    try (NetworkEndpoint one =
            NetworkEndpoint.open(Groups.QUICK, Secret.random(), 0, 2, "127.0.0.1");
        NetworkEndpoint stranger =
            NetworkEndpoint.open(Groups.QUICK, Secret.random(), 1, 2, "127.0.0.1")) {
      assertThatThrownBy(() -> stranger.connect(List.of(one.address(), stranger.address())))
          .isInstanceOf(RunFailure.class)
          .hasMessageContaining("Rank 1 (127.0.0.1) could not connect to rank 0 (127.0.0.1:");
    }
  }

  @Test
  void a_peer_that_is_not_there_is_named() {
    NetworkEndpoint gone = NetworkEndpoint.open(Groups.QUICK, Secret.random(), 0, 2, "127.0.0.1");
    gone.close();
    NetworkEndpoint one = NetworkEndpoint.open(Groups.QUICK, Secret.random(), 1, 2, "127.0.0.1");
    assertThatThrownBy(() -> one.connect(List.of(gone.address(), one.address())))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("could not connect to rank 0 (127.0.0.1:" + gone.address().port());
  }

  @Test
  void a_host_that_is_not_this_machine_is_an_error_with_the_name() {
    assertThatThrownBy(
            () -> NetworkEndpoint.open(Groups.QUICK, Secret.random(), 0, 1, "192.0.2.77"))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("Rank 0 cannot listen on 192.0.2.77");
  }

  @Test
  void a_secret_does_not_show_itself() {
    assertThat(Secret.random()).hasToString("Secret(not shown)");
  }
}
