package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.engine.checkpoint.CheckpointStore;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.NetworkEndpoint;
import org.sparkfinetune.engine.exchange.NetworkEndpoint.PeerAddress;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.exchange.Secret;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Ops.AdamWStep;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;
import org.sparkfinetune.store.Store;

/**
 * Training that fails at random moments, again and again in one process: it never crashes, and all
 * memory comes back. A few failures each time; {@code -Dfailures=300} for the leak to be measured,
 * best with GLIBC_TUNABLES=glibc.malloc.mmap_threshold=4096, where memory that was freed is gone
 * and a touch of it ends the process. What is measured includes the Java heap, so that has to be
 * there from the start: JAVA_TOOL_OPTIONS="-Xms3g -XX:+AlwaysPreTouch".
 */
class FailuresTest {
  private static final Logger LOG = LoggerFactory.getLogger(FailuresTest.class);
  private static final int FAILURES = Integer.getInteger("failures", 5);

  /** Until then pools fill and code is compiled. */
  private static final int WARM_UP = 100;

  private static final Set<String> NEVER_FAIL =
      Set.of("close", "abort", "withdraw", "failure", "stats", "rank", "worldSize", "hosts");

  private enum How {
    TASK_ERROR,
    OUT_OF_HEAP,
    OUT_OF_NATIVE_MEMORY,
    PEER_GONE,
    CANCELLED
  }

  @TempDir Path scratch;

  private final Random random = new Random(19);
  private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
  private final ConcurrentLinkedQueue<Boolean> withdrawn = new ConcurrentLinkedQueue<>();

  @Test
  void no_crash_and_no_leak() throws Exception {
    List<Long> measured = new ArrayList<>();
    for (int i = 0; i < FAILURES; i++) {
      How how = How.values()[i % How.values().length];
      boolean network = i % 2 == 1;
      Path folder = Files.createDirectory(scratch.resolve("failure-" + i));
      assertThatThrownBy(() -> train(folder, how, network))
          .as("%s, network: %s", how, network)
          .isInstanceOf(CompletionException.class);
      delete(folder);
      if ((i + 1) % 20 == 0) {
        long bytes = anonymousBytes();
        if (i + 1 > WARM_UP) {
          measured.add(bytes);
        }
        LOG.info("{} failures: {} KiB", i + 1, bytes >> 10);
      }
    }
    timer.shutdownNow();
    assertThat(withdrawn).doesNotContain(false).isNotEmpty();
    if (FAILURES >= 3 * WARM_UP) {
      int half = measured.size() / 2;
      long before = median(measured.subList(0, half));
      long after = median(measured.subList(half, measured.size()));
      assertThat(after).isLessThan(before + before / 100);
    }
  }

  /**
   * What single measurements show is where a failure left its holes, up or down by some percent.
   */
  private static long median(List<Long> values) {
    return values.stream().sorted().toList().get(values.size() / 2);
  }

  private static long anonymousBytes() {
    System.gc();
    System.gc();
    return RankMemory.anonymousBytes();
  }

  private void train(Path folder, How how, boolean network) {
    List<ProcessGroup> group = network ? network() : InProcessGroup.group(2, settings());
    int victim = random.nextInt(2);
    AtomicInteger calls = new AtomicInteger(random.nextInt(600));
    List<Thread> threads = java.util.Collections.synchronizedList(new ArrayList<>());
    List<ProcessGroup> failing = new ArrayList<>();
    for (ProcessGroup exchange : group) {
      failing.add(
          failing(
              exchange,
              () -> {
                if (exchange.rank() == victim && calls.getAndDecrement() == 0) {
                  fail(how);
                }
              }));
    }
    long moment = random.nextInt(800);
    new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0.1, folder)
        .withThreads(2)
        .onRanks(
            failing,
            model -> {
              threads.add(Thread.currentThread());
              if (model.exchange().rank() == victim) {
                Thread own = Thread.currentThread();
                schedule(how, moment, own, group.get(victim));
              }
              return steps(model, folder);
            });
  }

  private void schedule(How how, long moment, Thread thread, ProcessGroup exchange) {
    if (how == How.CANCELLED) {
      var unused = timer.schedule(thread::interrupt, moment, TimeUnit.MILLISECONDS);
    } else if (how == How.PEER_GONE) {
      var unused = timer.schedule(exchange::close, moment, TimeUnit.MILLISECONDS);
    }
  }

  private static void fail(How how) {
    switch (how) {
      case TASK_ERROR -> throw new IllegalStateException("injected");
      case OUT_OF_HEAP -> throw new OutOfMemoryError("injected");
      case OUT_OF_NATIVE_MEMORY -> {
        try (Torch torch = Torch.start(2);
            Scope scope = torch.scope()) {
          new Ops(torch).empty(scope, ElementType.FLOAT32, 1L << 50);
        }
      }
      case PEER_GONE, CANCELLED -> {}
    }
  }

  /** More than any of the moments. */
  private static boolean steps(RankModel model, Path folder) {
    TrainConfig config = config(folder);
    CheckpointStore store =
        new CheckpointStore(RunFolder.of(config.outputDir()), new Store(new Configuration()));
    TrainingStep training = GoldenRun.trainingStep(model);
    List<PackedRow> rows = GoldenRun.rows();
    int rank = model.exchange().rank();
    try (Checkpointer checkpointer =
        new Checkpointer(
            model,
            new StepSchedule(8, 4, config.loop(), 1),
            CheckpointerTest.setting(store, new Store(new Configuration()), config),
            new PhaseClock())) {
      for (int step = 1; step <= config.loop().maxSteps().getAsInt(); step++) {
        List<StepRow> own =
            List.of(
                new StepRow(rows.get((2 * step + rank) % 8), 2 * rank),
                new StepRow(rows.get((2 * step + rank + 4) % 8), 2 * rank + 1));
        training.run(
            step, TokenBatch.of(own, GoldenRun.BATCH_TOKENS, TokenBatch.Attention.WITHIN_SAMPLES));
        long version = step;
        try (Scope scope = model.ops().torch().scope()) {
          AdamWStep numbers = new AdamWStep(1, 1e-4, 0, 0.9, 0.999, 1e-8, step);
          model.weights().trainable().forEach(group -> group.update(scope, numbers, 1));
        }
        model.weights().trainable().forEach(group -> group.publish(version));
        checkpointer.after(step);
      }
    }
    return true;
  }

  private static TrainConfig config(Path folder) {
    List<String> words = new ArrayList<>();
    words.addAll(
        List.of("--model_id m --dataset_path d --save_strategy steps --save_steps 2".split(" ")));
    words.addAll(List.of("--save_total_limit 1 --max_steps 10000".split(" ")));
    words.addAll(List.of("--output_dir", folder.resolve("run").toUri().toString()));
    return new ConfigLoader(new Configuration()).train(Optional.empty(), words).config();
  }

  private static ExchangeSettings settings() {
    return ExchangeSettings.defaults()
        .withTimeouts(Duration.ofSeconds(20), Duration.ofSeconds(20), Duration.ofSeconds(30));
  }

  private static List<ProcessGroup> network() {
    Secret secret = Secret.random();
    ExchangeSettings settings = settings().with(ExchangeSettings.Mapping.NETWORK);
    List<NetworkEndpoint> endpoints =
        Stream.of(0, 1)
            .map(rank -> NetworkEndpoint.open(settings, secret, rank, 2, "127.0.0.1"))
            .toList();
    List<PeerAddress> addresses = endpoints.stream().map(NetworkEndpoint::address).toList();
    return endpoints.stream().map(endpoint -> endpoint.connect(addresses)).toList();
  }

  /** The same exchange, with something done before each call that moves data. */
  private ProcessGroup failing(ProcessGroup exchange, Runnable before) {
    return (ProcessGroup)
        Proxy.newProxyInstance(
            ProcessGroup.class.getClassLoader(),
            new Class<?>[] {ProcessGroup.class},
            (proxy, method, arguments) -> {
              if (!NEVER_FAIL.contains(method.getName())) {
                before.run();
              }
              try {
                Object result = method.invoke(exchange, arguments);
                if (method.getName().equals("withdraw")) {
                  withdrawn.add((Boolean) result);
                }
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
