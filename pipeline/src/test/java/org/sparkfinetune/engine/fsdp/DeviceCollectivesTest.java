package org.sparkfinetune.engine.fsdp;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.config.Parallelism.DdpBackend;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.NetworkEndpoint;
import org.sparkfinetune.engine.exchange.NetworkEndpoint.PeerAddress;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.exchange.Secret;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.FakeNccl;
import org.sparkfinetune.engine.tensor.FakeNccl.Fate;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;

/** Gradients from device to device, by a library that holds its callers to NCCL's contract. */
@Timeout(60)
class DeviceCollectivesTest {
  /** Far below the slices of the groups. */
  private static final int WINDOW_BYTES = 4096;

  private static final List<Integer> SLICES = List.of(16, 3000, 1024);

  private static Torch torch;
  private static Ops ops;

  @BeforeAll
  static void start() {
    torch = Torch.start(1, new ComputeDevice.Staged(), WINDOW_BYTES);
    ops = new Ops(torch);
  }

  @AfterAll
  static void stop() {
    torch.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 4})
  void sums_are_those_of_the_way_by_the_host_to_the_last_bit(int ranks) {
    FakeNccl nccl = new FakeNccl(ranks);
    List<List<float[]>> device = onRanks(overNetwork(ranks), exchange -> steps(exchange, nccl));
    assertThat(nccl.violations()).isEmpty();
    assertThat(nccl.ends()).containsOnly("DESTROYED");
    long elements = SLICES.stream().mapToLong(Integer::longValue).sum();
    assertThat(nccl.moved()).isEqualTo(2 * ranks * ranks * elements);
    List<List<float[]>> host = onRanks(group(ranks), exchange -> steps(exchange, Optional.empty()));
    for (int rank = 0; rank < ranks; rank++) {
      for (int i = 0; i < host.get(rank).size(); i++) {
        assertThat(device.get(rank).get(i)).isEqualTo(host.get(rank).get(i)).doesNotContain(0);
      }
    }
  }

  @Test
  void what_it_holds_does_not_grow_with_the_group() {
    // Of a window of 4,096 bytes for two ranks.
    FakeNccl nccl = new FakeNccl(2);
    onRanks(group(2), exchange -> steps(exchange, nccl));
    assertThat(nccl.largest()).isEqualTo(WINDOW_BYTES / 2 / Float.BYTES);
  }

  @ParameterizedTest
  @EnumSource(
      value = Fate.class,
      names = {"CANNOT_JOIN", "NEVER_JOINED"})
  void one_rank_that_cannot_join_takes_all_to_the_way_by_the_host(Fate fate) {
    FakeNccl nccl = new FakeNccl(3).with(1, fate, 0);
    List<List<float[]>> sums =
        onRanks(group(3), exchange -> steps(exchange, meet(exchange, nccl, DdpBackend.AUTO)));
    assertThat(nccl.moved()).isZero();
    List<List<float[]>> host = onRanks(group(3), exchange -> steps(exchange, Optional.empty()));
    assertThat(sums).usingRecursiveComparison().isEqualTo(host);
    assertThat(nccl.violations()).isEmpty();
    assertThat(nccl.ends()).doesNotContain("UP", "JOINING");
  }

  @Test
  void nccl_by_name_is_refused_on_all_ranks_with_the_words_of_the_one_that_cannot() {
    FakeNccl nccl = new FakeNccl(2).with(1, Fate.CANNOT_JOIN, 0);
    assertThat(failures(group(2), exchange -> meet(exchange, nccl, DdpBackend.NCCL)))
        .hasSize(2)
        .allSatisfy(
            failure ->
                assertThat(failure)
                    .isInstanceOf(UserError.class)
                    .hasMessage(
                        "ddp_backend is nccl, but gradients cannot go between GPUs: rank 1: NCCL's ncclCommInitRankConfig failed: unhandled cuda error. It says: Duplicate GPU detected : rank 1 and rank 0. Use ddp_backend: auto or spark, with which they go by the hosts' memory to the same bits."));
  }

  @Test
  void a_rank_without_the_library_is_named() {
    FakeNccl nccl = new FakeNccl(2);
    assertThat(
            failures(
                group(2),
                exchange ->
                    new NcclRendezvous(
                            ops,
                            exchange,
                            () -> {
                              if (exchange.rank() == 1) {
                                throw new RunFailure("NCCL was not found; tried libnccl.so.2.");
                              }
                              return nccl.library(0);
                            })
                        .meet(DdpBackend.NCCL)))
        .allSatisfy(
            failure -> assertThat(failure).hasMessageContaining("rank 1: NCCL was not found"));
    assertThat(nccl.ends()).containsOnly("OUTSIDE");
  }

  @Test
  void ranks_on_several_hosts_do_not_ask_nccl() {
    List<ProcessGroup> group =
        InProcessGroup.group(List.of("one", "one", "two"), ExchangeSettings.defaults());
    FakeNccl nccl = new FakeNccl(3);
    assertThat(onRanks(group, exchange -> meet(exchange, nccl, DdpBackend.AUTO).isPresent()))
        .containsOnly(false);
    assertThat(nccl.ends()).containsOnly("OUTSIDE");
  }

  @Test
  void on_the_cpu_and_with_spark_nobody_asks_nccl() {
    FakeNccl nccl = new FakeNccl(2);
    assertThat(onRanks(group(2), exchange -> meet(exchange, nccl, DdpBackend.SPARK).isPresent()))
        .containsOnly(false);
    try (Torch cpu = Torch.start(1)) {
      assertThat(
              onRanks(
                  group(2),
                  exchange ->
                      new NcclRendezvous(
                              new Ops(cpu), exchange, () -> nccl.library(exchange.rank()))
                          .meet(DdpBackend.AUTO)
                          .isPresent()))
          .containsOnly(false);
    }
    assertThat(nccl.ends()).containsOnly("OUTSIDE");
  }

  @Test
  void a_rank_that_dies_ends_the_other_which_names_it() {
    FakeNccl nccl = new FakeNccl(2).with(1, Fate.DIES, 3);
    List<Throwable> failures = failures(overNetwork(2), exchange -> steps(exchange, nccl));
    assertThat(failures.get(0))
        .isInstanceOf(RunFailure.class)
        .hasMessageMatching(
            ".* and then rank 1 \\(127.0.0.1:\\d+\\) failed: rank 1 was made to die\\. This is a consequence.*");
    assertThat(nccl.ends()).containsOnly("ABORTED");
    assertThat(nccl.violations()).isEmpty();
  }

  @Test
  void a_rank_that_does_not_come_is_waited_for_as_long_as_the_exchange_waits() {
    FakeNccl nccl = new FakeNccl(2).with(1, Fate.HANGS, 2);
    Duration patience = Duration.ofSeconds(1);
    List<ProcessGroup> group =
        InProcessGroup.group(
            2, ExchangeSettings.defaults().withTimeouts(patience, patience, patience));
    List<Throwable> failures = failures(group, exchange -> steps(exchange, nccl));
    assertThat(failures.get(0))
        .isInstanceOf(RunFailure.class)
        .hasMessageMatching(
            "Rank 0 \\(this JVM\\) waited 1\\.\\d s for 'gradients between GPUs' version 1 from .*rank 1 .* slow or stuck.*");
    assertThat(nccl.ends()).containsOnly("ABORTED");
  }

  @Test
  void what_nccl_says_itself_is_passed_on_where_no_peer_is_behind_it() {
    FakeNccl nccl = new FakeNccl(2).with(0, Fate.BREAKS, 2);
    List<Throwable> failures = failures(group(2), exchange -> steps(exchange, nccl));
    assertThat(failures.get(0)).isInstanceOf(RunFailure.class).hasMessageContaining("error 6");
    assertThat(failures.get(1)).hasMessageContaining("rank 0 (this JVM:0) failed: NCCL's");
    assertThat(nccl.ends()).containsOnly("ABORTED");
  }

  @Test
  void another_order_is_found_before_the_sums_are_used() {
    FakeNccl nccl = new FakeNccl(2);
    List<Throwable> failures =
        failures(
            group(2),
            exchange -> {
              try (DeviceCollectives devices = meet(exchange, nccl, DdpBackend.NCCL).orElseThrow();
                  Scope scope = torch.scope()) {
                Tensor sum = ops.ofFloats(scope, new float[16], 16);
                for (int group = 0; group < 2; group++) {
                  Tensor flat = ops.ofFloats(scope, new float[32], 32);
                  devices.reduceScatter("group " + (group ^ exchange.rank()), 1, flat, sum);
                }
                devices.complete();
                return 0;
              }
            });
    assertThat(failures)
        .anySatisfy(
            failure -> assertThat(failure).isInstanceOf(Bug.class).hasMessageContaining("orders"));
  }

  private static List<ProcessGroup> group(int ranks) {
    return InProcessGroup.group(ranks, ExchangeSettings.defaults());
  }

  private static List<ProcessGroup> overNetwork(int ranks) {
    Secret secret = Secret.random();
    List<NetworkEndpoint> endpoints =
        IntStream.range(0, ranks)
            .mapToObj(
                rank ->
                    NetworkEndpoint.open(
                        ExchangeSettings.defaults(), secret, rank, ranks, "127.0.0.1"))
            .toList();
    List<PeerAddress> addresses = endpoints.stream().map(NetworkEndpoint::address).toList();
    return endpoints.stream().map(endpoint -> endpoint.connect(addresses)).toList();
  }

  private static Optional<DeviceCollectives> meet(
      ProcessGroup exchange, FakeNccl nccl, DdpBackend backend) {
    return new NcclRendezvous(
            ops, exchange, () -> nccl.library(exchange.rank()), Duration.ofSeconds(1))
        .meet(backend);
  }

  private static List<float[]> steps(ProcessGroup exchange, FakeNccl nccl) {
    try (DeviceCollectives devices = meet(exchange, nccl, DdpBackend.NCCL).orElseThrow()) {
      return steps(exchange, Optional.of(devices));
    }
  }

  /** The sums of this rank's slices after each of two steps. */
  private static List<float[]> steps(ProcessGroup exchange, Optional<DeviceCollectives> devices) {
    List<float[]> sums = new ArrayList<>();
    try (Scope scope = torch.scope()) {
      List<Tensor> slices = new ArrayList<>();
      List<ReduceScatter> groups = new ArrayList<>();
      for (int slice : SLICES) {
        Tensor sum = ops.ofFloats(scope, new float[slice], slice);
        slices.add(sum);
        groups.add(new ReduceScatter.Ways(exchange, devices, ops, scope).of("of " + slice, sum));
      }
      Random random = new Random(exchange.rank());
      for (int step = 1; step <= 2; step++) {
        List<CompletableFuture<Void>> sent = new ArrayList<>();
        for (int i = 0; i < groups.size(); i++) {
          float[] flat = new float[SLICES.get(i) * exchange.worldSize()];
          for (int at = 0; at < flat.length; at++) {
            flat[at] = (float) (random.nextGaussian() * Math.exp(8 * random.nextGaussian()));
          }
          sent.add(groups.get(i).begin(ops.ofFloats(scope, flat, flat.length), step));
        }
        sent.forEach(exchange::await);
        for (int i = 0; i < groups.size(); i++) {
          groups.get(i).finish();
          sums.add(ops.hostMemory().toHost(scope, slices.get(i)).toFloats());
        }
      }
    }
    return sums;
  }

  /** As ranks of a run do: who fails tells the others. */
  private static <T> List<CompletableFuture<T>> started(
      List<ProcessGroup> group, Function<ProcessGroup, T> work) {
    var pool = Executors.newFixedThreadPool(group.size());
    List<CompletableFuture<T>> results = new ArrayList<>();
    for (ProcessGroup exchange : group) {
      results.add(
          CompletableFuture.supplyAsync(() -> work.apply(exchange), pool)
              .whenComplete(
                  (value, error) -> {
                    if (error != null && exchange.failure().isEmpty()) {
                      exchange.abort(String.valueOf(error.getCause().getMessage()));
                    }
                  }));
    }
    pool.shutdown();
    return results;
  }

  private static <T> List<T> onRanks(List<ProcessGroup> group, Function<ProcessGroup, T> work) {
    List<T> results = started(group, work).stream().map(CompletableFuture::join).toList();
    group.forEach(ProcessGroup::close);
    return results;
  }

  private static <T> List<Throwable> failures(
      List<ProcessGroup> group, Function<ProcessGroup, T> work) {
    List<Throwable> failures = new ArrayList<>();
    for (CompletableFuture<T> result : started(group, work)) {
      try {
        result.orTimeout(30, TimeUnit.SECONDS).join();
      } catch (CompletionException e) {
        failures.add(e.getCause());
      }
    }
    group.forEach(ProcessGroup::close);
    return failures;
  }
}
