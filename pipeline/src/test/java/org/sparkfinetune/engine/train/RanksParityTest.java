package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.config.Parallelism.ShardingStrategy;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.engine.train.ModelRecipe.Sharding;

class RanksParityTest {
  private static final int STEPS = 10;

  /** Of runs that several tests look at, by their number of ranks. */
  private static final Map<Integer, GoldenRun.Result> RUNS = new HashMap<>();

  /** The same of runs in which all ranks hold the weights. */
  private static final Map<GoldenRun.What, GoldenRun.Result> FULLY_SHARDED = new HashMap<>();

  @TempDir Path scratch;

  @AfterAll
  static void forget() {
    RUNS.clear();
    FULLY_SHARDED.clear();
  }

  @Test
  void dropout_included_any_number_of_ranks_gives_the_losses_of_one() throws Exception {
    List<GoldenRun.Step> one = run(1).steps();
    for (int ranks : new int[] {2, 3, 4, 8}) {
      List<GoldenRun.Step> several = run(ranks).steps();
      for (int i = 0; i < one.size(); i++) {
        double loss = one.get(i).loss();
        assertThat(several.get(i).loss())
            .as("step %d on %d ranks", i + 1, ranks)
            .isCloseTo(loss, within(1e-5 * loss));
      }
    }
  }

  @Test
  void the_same_run_twice_gives_the_same_bits() throws Exception {
    GoldenRun.Result first = run(2);
    GoldenRun.Result second = trainedOn(2);
    assertThat(second.steps()).isEqualTo(first.steps());
    first.weights().forEach((name, w) -> assertThat(second.weights().get(name)).isEqualTo(w));
  }

  @ParameterizedTest
  @EnumSource(GoldenRun.What.class)
  void whatever_is_kept_of_a_layer_and_wherever_the_numbers_are_the_same_bits(GoldenRun.What what)
      throws Exception {
    GoldenRun.Result recomputed = keeping(what, LayerKeep.NOTHING, ModelRecipe.Inputs.IN_MEMORY);
    for (LayerKeep keep : LayerKeep.values()) {
      assertThat(keeping(what, keep, ModelRecipe.Inputs.IN_A_FILE).steps())
          .as(keep.name())
          .isEqualTo(recomputed.steps());
    }
  }

  private GoldenRun.Result keeping(GoldenRun.What what, LayerKeep keep, ModelRecipe.Inputs inputs)
      throws Exception {
    double dropout = what == GoldenRun.What.FULL ? 0 : 0.05;
    return new GoldenRun(what, Precision.BFLOAT16_STORED, dropout, scratch)
        .keeping(keep, inputs)
        .run(2, 3, step -> 2e-3, 0.3, 0);
  }

  @ParameterizedTest
  @EnumSource(ShardingStrategy.class)
  void whichever_ranks_hold_the_weights_the_numbers_are_the_same_bits(ShardingStrategy strategy)
      throws Exception {
    for (GoldenRun.What what : List.of(GoldenRun.What.QLORA, GoldenRun.What.FULL)) {
      GoldenRun.Result all = fullySharded(what);
      GoldenRun.Result some =
          sharded(
              what, strategy, (rank, peer) -> assertThat(holders(strategy, rank)).contains(peer));
      assertThat(some.steps()).isEqualTo(all.steps());
      all.weights().forEach((name, w) -> assertThat(some.weights().get(name)).isEqualTo(w));
    }
  }

  @Test
  void without_prefetching_the_numbers_are_the_same_bits() throws Exception {
    GoldenRun without =
        new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0.05, scratch)
            .prefetching(Sharding.Prefetch.NONE);
    assertThat(without.run(2, STEPS, step -> 2e-3, 0.3, 0).steps()).isEqualTo(run(2).steps());
  }

  @Test
  void what_a_layer_trains_is_asked_for_before_the_layer_before_it_is_waited_for()
      throws Exception {
    List<String> events = new ArrayList<>();
    List<ProcessGroup> group = InProcessGroup.group(2, ExchangeSettings.defaults());
    new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0.05, scratch)
        .run(List.of(told(group.get(0), events), group.get(1)), 1, step -> 2e-3, 0.3, 0);
    for (int layer = 1; layer < GoldenRun.config().numHiddenLayers(); layer++) {
      String before = "parameters/" + ModelGroups.layer(layer - 1);
      String next = "parameters/" + ModelGroups.layer(layer);
      assertThat(events).contains("ask " + next, "await " + before);
      assertThat(events.indexOf("ask " + next)).isLessThan(events.indexOf("await " + before));
    }
  }

  /** Tells which published values are asked for and waited for. */
  private static ProcessGroup told(ProcessGroup exchange, List<String> events) {
    Map<Object, String> asked = new IdentityHashMap<>();
    return proxy(
        (proxy, method, arguments) -> {
          if (method.getName().equals("await") && asked.containsKey(arguments[0])) {
            events.add("await " + asked.get(arguments[0]));
          }
          Object result = method.invoke(exchange, arguments);
          if (method.getName().equals("published")) {
            events.add("ask " + arguments[1]);
            asked.put(result, (String) arguments[1]);
          }
          return result;
        });
  }

  @ParameterizedTest
  @EnumSource(
      value = GoldenRun.What.class,
      names = {"LORA", "QLORA"})
  void in_groups_of_batches_the_numbers_are_the_same_bits(GoldenRun.What what) throws Exception {
    AtomicInteger reads = new AtomicInteger();
    GoldenRun.Result together = reading(reads, trained(what));
    int once = reads.getAndSet(0);
    GoldenRun.Result oneByOne = reading(reads, trained(what).inGroupsOf(GoldenRun.BATCH_TOKENS));
    int layers = GoldenRun.config().numHiddenLayers();
    assertThat(reads.get())
        .as("in three steps each layer once more in both directions, norm and head once more")
        .isEqualTo(once + 3 * (2 * layers + 2));
    assertThat(oneByOne.steps()).isEqualTo(together.steps());
    together.weights().forEach((name, w) -> assertThat(oneByOne.weights().get(name)).isEqualTo(w));
  }

  private GoldenRun trained(GoldenRun.What what) {
    return new GoldenRun(what, Precision.FLOAT32, 0.05, scratch)
        .keeping(LayerKeep.EVERYTHING, ModelRecipe.Inputs.IN_MEMORY);
  }

  private static GoldenRun.Result reading(AtomicInteger reads, GoldenRun run) throws Exception {
    ProcessGroup alone = InProcessGroup.group(1, ExchangeSettings.defaults()).get(0);
    BiConsumer<Integer, Integer> count = (rank, peer) -> reads.incrementAndGet();
    return run.run(List.of(watched(alone, count)), 3, step -> 2e-3, 0.3, 0);
  }

  @Test
  void shard_grad_op_reads_a_peers_frozen_weights_once() throws Exception {
    assertThat(reads(3)).isPositive().isEqualTo(reads(1));
  }

  private int reads(int steps) throws Exception {
    AtomicInteger reads = new AtomicInteger();
    new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0, scratch)
        .sharded(ShardingStrategy.SHARD_GRAD_OP)
        .run(onTwoHosts((rank, peer) -> reads.incrementAndGet()), steps, step -> 2e-3, 0.3, 0);
    return reads.get();
  }

  private GoldenRun.Result sharded(
      GoldenRun.What what, ShardingStrategy strategy, BiConsumer<Integer, Integer> onRead)
      throws Exception {
    return new GoldenRun(what, Precision.BFLOAT16_STORED, 0, scratch)
        .sharded(strategy)
        .run(onTwoHosts(onRead), 2, step -> 2e-3, 0.3, 0);
  }

  private GoldenRun.Result fullySharded(GoldenRun.What what) throws Exception {
    if (!FULLY_SHARDED.containsKey(what)) {
      FULLY_SHARDED.put(what, sharded(what, ShardingStrategy.FULL_SHARD, (rank, peer) -> {}));
    }
    return FULLY_SHARDED.get(what);
  }

  private static List<Integer> holders(ShardingStrategy strategy, int rank) {
    return switch (strategy) {
      case FULL_SHARD, SHARD_GRAD_OP -> List.of(0, 1, 2, 3);
      case HYBRID_SHARD -> rank % 2 == 0 ? List.of(0, 2) : List.of(1, 3);
      case NO_SHARD -> List.of(rank);
    };
  }

  /** Four ranks, hosts taken in turn; told which rank reads frozen weights of which. */
  private static List<ProcessGroup> onTwoHosts(BiConsumer<Integer, Integer> onRead) {
    return InProcessGroup.group(List.of("a", "b", "a", "b"), ExchangeSettings.defaults()).stream()
        .map(exchange -> watched(exchange, onRead))
        .toList();
  }

  private static ProcessGroup watched(ProcessGroup exchange, BiConsumer<Integer, Integer> onRead) {
    return proxy(
        (proxy, method, arguments) -> {
          if (method.getName().equals("frozen")) {
            onRead.accept(exchange.rank(), (Integer) arguments[0]);
          }
          return method.invoke(exchange, arguments);
        });
  }

  private static ProcessGroup proxy(InvocationHandler handler) {
    return (ProcessGroup)
        Proxy.newProxyInstance(
            ProcessGroup.class.getClassLoader(), new Class<?>[] {ProcessGroup.class}, handler);
  }

  @Test
  void dropout_is_there() throws Exception {
    GoldenRun without = new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0, scratch);
    assertThat(without.run(1, 1, step -> 2e-3, 0.3, 0).steps().get(0).loss())
        .isNotEqualTo(run(1).steps().get(0).loss());
  }

  private GoldenRun.Result run(int ranks) throws Exception {
    if (!RUNS.containsKey(ranks)) {
      RUNS.put(ranks, trainedOn(ranks));
    }
    return RUNS.get(ranks);
  }

  private GoldenRun.Result trainedOn(int ranks) throws Exception {
    return new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0.05, scratch)
        .run(ranks, STEPS, step -> 2e-3, 0.3, 0);
  }
}
