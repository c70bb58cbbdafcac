package org.sparkfinetune.engine.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import java.util.function.LongToDoubleFunction;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.sparkfinetune.config.Parallelism.DdpBackend;
import org.sparkfinetune.config.Parallelism.ShardingStrategy;
import org.sparkfinetune.config.TrainConfig.Regularization;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.AdamMoments;
import org.sparkfinetune.engine.fsdp.NcclRendezvous;
import org.sparkfinetune.engine.fsdp.ShardStore;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.tensor.Nccl;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Ops.AdamWStep;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.engine.train.ModelRecipe.Sharding;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderConfigReader;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.TestLora;

/** Trains the golden model on the golden rows with ranks as threads. */
final class GoldenRun {
  static final Path GOLDEN = Path.of("src/test/resources/golden").toAbsolutePath();
  static final int BATCH_TOKENS = 170;
  private static final String PREFIX = "base_model.model.";

  /** One optimizer step's numbers. */
  record Step(double loss, double gradNorm) {}

  enum What {
    LORA,
    QLORA,
    /** LoRA on what bitsandbytes decodes where there is AVX-512. */
    QLORA_AVX512,
    FULL
  }

  private final What what;
  private final Precision precision;
  private final double dropout;
  private final Path scratch;
  private Function<WeightSource, WeightSource> spoiling = source -> source;
  private LayerKeep keep = LayerKeep.NOTHING;
  private ModelRecipe.Inputs inputs = ModelRecipe.Inputs.IN_MEMORY;
  private OptionalLong activationMemory = OptionalLong.empty();
  private Sharding.Prefetch prefetch = Sharding.Prefetch.NEXT_LAYER;
  private ShardingStrategy sharding = ShardingStrategy.FULL_SHARD;
  private ComputeDevice device = new ComputeDevice.Cpu();
  private Supplier<Optional<ShardStore>> store = Optional::empty;
  private Regularization regularization = Regularization.NONE;
  private AdamMoments.Type moments = AdamMoments.Type.FLOAT32;
  private long bufferBytes = 64 << 20;
  private int threads = 1;
  private long residentBytes;
  private IntFunction<Nccl> nccl = rank -> Nccl.find(Map.of());
  private DdpBackend backend = DdpBackend.SPARK;

  GoldenRun(What what, Precision precision, double dropout, Path scratch) {
    this.what = what;
    this.precision = precision;
    this.dropout = dropout;
    this.scratch = scratch;
  }

  /** So many bytes of frozen weights may stay on the device. */
  GoldenRun resident(long bytes) {
    this.residentBytes = bytes;
    return this;
  }

  /** Gradients go by a library of each rank's. */
  GoldenRun exchangingBy(DdpBackend how, IntFunction<Nccl> library) {
    this.backend = how;
    this.nccl = library;
    return this;
  }

  /** Puts another base model in the golden one's place. */
  GoldenRun spoiledBy(Function<WeightSource, WeightSource> change) {
    this.spoiling = change;
    return this;
  }

  GoldenRun keeping(LayerKeep kept, ModelRecipe.Inputs where) {
    this.keep = kept;
    this.inputs = where;
    return this;
  }

  /** As many bytes as a token keeps take so many tokens through the layers together. */
  GoldenRun inGroupsOf(int tokens) {
    this.activationMemory = OptionalLong.of(tokens * recipe().keptPerToken());
    return this;
  }

  GoldenRun sharded(ShardingStrategy strategy) {
    this.sharding = strategy;
    return this;
  }

  /** Keeps its shards in a folder, in which it deletes whatever it may. */
  GoldenRun keptIn(Path shards, String key) {
    this.store = () -> Optional.of(new ShardStore(shards, key, InstantSource.system(), 1));
    return this;
  }

  GoldenRun on(ComputeDevice what) {
    this.device = what;
    return this;
  }

  GoldenRun regularized(Regularization how) {
    this.regularization = how;
    return this;
  }

  GoldenRun with(AdamMoments.Type type) {
    this.moments = type;
    return this;
  }

  /** Of each rank. */
  GoldenRun withThreads(int count) {
    this.threads = count;
    return this;
  }

  /** Groups larger than that go from rank to rank, and to files, in parts. */
  GoldenRun withBuffersOf(long bytes) {
    this.bufferBytes = bytes;
    return this;
  }

  GoldenRun prefetching(Sharding.Prefetch what) {
    this.prefetch = what;
    return this;
  }

  static DecoderConfig config() {
    try {
      Path file = GOLDEN.resolve("model/config.json");
      return DecoderConfigReader.read(Files.readString(file), file.toString());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static JsonNode json(String name) throws IOException {
    return new ObjectMapper().readTree(GOLDEN.resolve(name).toFile());
  }

  static List<PackedRow> rows() {
    return RowsInMemory.read(path("rows.safetensors"), new Store(new Configuration())).rows();
  }

  static Checkpoint open(String file) {
    return Checkpoint.openFile(path(file), new Store(new Configuration()));
  }

  private static org.apache.hadoop.fs.Path path(String file) {
    return new org.apache.hadoop.fs.Path(GOLDEN.resolve(file).toUri());
  }

  /** Steps of all ranks (they have to agree) and the final trainable weights. */
  record Result(List<Step> steps, Map<String, float[]> weights) {}

  Result run(int ranks, int steps, LongToDoubleFunction rate, double clip, double decay)
      throws Exception {
    return run(InProcessGroup.group(ranks, ExchangeSettings.defaults()), steps, rate, clip, decay);
  }

  Result run(
      List<ProcessGroup> group, int steps, LongToDoubleFunction rate, double clip, double decay)
      throws Exception {
    List<Result> results =
        onRanks(group, model -> train(model, steps, rate, clip, decay, step -> {}));
    for (Result other : results) {
      if (!other.steps().equals(results.get(0).steps())) {
        throw new AssertionError("ranks disagree about loss or norm");
      }
    }
    return results.get(0);
  }

  /** What each rank's work gives, in rank order. */
  <T> List<T> onRanks(int ranks, Function<RankModel, T> work) {
    return onRanks(InProcessGroup.group(ranks, ExchangeSettings.defaults()), work);
  }

  <T> List<T> onRanks(List<ProcessGroup> group, Function<RankModel, T> work) {
    ExecutorService pool = Executors.newFixedThreadPool(group.size());
    try (Torch torch = Torch.start(threads, device, bufferBytes)) {
      List<CompletableFuture<T>> results = new ArrayList<>();
      for (ProcessGroup exchange : group) {
        results.add(
            CompletableFuture.supplyAsync(() -> rank(torch, exchange, work), pool)
                .whenComplete((value, error) -> abort(exchange, error)));
      }
      try {
        return results.stream().map(CompletableFuture::join).toList();
      } finally {
        // Of a group that failed no rank may compute any more when libtorch is closed.
        group.forEach(ProcessGroup::close);
        results.forEach(result -> result.handle((value, error) -> 0).join());
      }
    } finally {
      group.forEach(ProcessGroup::close);
      pool.shutdownNow();
    }
  }

  /** As a rank of a run does. */
  private static void abort(ProcessGroup exchange, Throwable error) {
    if (error != null) {
      exchange.abort("" + error.getMessage());
    }
  }

  private <T> T rank(Torch torch, ProcessGroup exchange, Function<RankModel, T> work) {
    try (Checkpoint base = open("model/model.safetensors");
        Checkpoint start = open("adapter-start.safetensors")) {
      WeightSource model = spoiling.apply(new CheckpointWeights(base));
      CheckpointWeights adapter = new CheckpointWeights(start);
      WeightSource trainable =
          what == What.FULL
              ? model
              : (name, first, out, count) -> adapter.read(PREFIX + name, first, out, count);
      WeightSource frozen = what == What.QLORA_AVX512 ? new Avx512Nf4(config(), model) : model;
      Path own =
          Files.createDirectories(
              scratch.resolve(what + "-" + exchange.rank() + "-of-" + exchange.worldSize()));
      Optional<ShardStore> shards = store.get();
      try (Closeable unused = () -> shards.ifPresent(ShardStore::close);
          RankModel rankModel =
              RankModel.load(
                  recipe(),
                  torch,
                  exchange,
                  new NcclRendezvous(new Ops(torch), exchange, () -> nccl.apply(exchange.rank()))
                      .meet(backend),
                  frozen,
                  trainable,
                  own,
                  shards)) {
        rankModel.weights().trainable().forEach(group -> group.publish(0));
        T result = work.apply(rankModel);
        exchange.sum("end", 0, new double[] {0});
        return result;
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  ModelRecipe recipe() {
    ModelGroups.Base base = what == What.QLORA ? ModelGroups.Base.NF4 : ModelGroups.Base.PLAIN;
    ModelGroups.Method method =
        what == What.FULL
            ? new ModelGroups.Method.Full()
            : new ModelGroups.Method.Lora(
                TestLora.targets(config(), 8, 2, List.of("all-linear")), List.of(), base);
    return new ModelRecipe(
        config(),
        method,
        dropout,
        7,
        1,
        precision,
        what == What.QLORA_AVX512 && precision.stored().bytes() == 4
            ? PlainType.FLOAT32
            : PlainType.BFLOAT16,
        TokenBatch.Attention.WITHIN_SAMPLES,
        keep,
        inputs,
        activationMemory,
        new Sharding(sharding, prefetch),
        0,
        regularization,
        moments,
        residentBytes);
  }

  static TrainingStep trainingStep(RankModel model) {
    return new TrainingStep(model, new PhaseClock());
  }

  static Result train(
      RankModel model,
      int steps,
      LongToDoubleFunction rate,
      double clip,
      double decay,
      IntConsumer afterStep) {
    TrainingStep step = trainingStep(model);
    List<PackedRow> rows = rows();
    List<Step> log = new ArrayList<>();
    int rank = model.exchange().rank();
    int ranks = model.exchange().worldSize();
    for (int s = 1; s <= steps; s++) {
      TrainingStep.Outcome outcome = step.run(s, batches(rows, s, rank, ranks));
      log.add(new Step(outcome.loss(), outcome.gradNorm()));
      double clipping = Math.min(1, clip / (outcome.gradNorm() + 1e-6));
      update(model, new AdamWStep(clipping, rate.applyAsDouble(s), decay, 0.9, 0.999, 1e-8, s));
      afterStep.accept(s);
    }
    return new Result(log, ModelNumbers.weights(model, steps));
  }

  /** Of one of so many ranks in a step, from 1 on. */
  static List<TokenBatch> batches(List<PackedRow> rows, int step, int rank, int ranks) {
    List<StepRow> own = new ArrayList<>();
    for (int k = 4 * rank / ranks; k < 4 * (rank + 1) / ranks; k++) {
      own.add(new StepRow(rows.get((4 * (step - 1) + k) % 8), k));
    }
    return TokenBatch.of(own, BATCH_TOKENS, TokenBatch.Attention.WITHIN_SAMPLES);
  }

  private static void update(RankModel model, AdamWStep numbers) {
    try (Scope scope = model.ops().torch().scope()) {
      model.weights().trainable().forEach(group -> group.update(scope, numbers, 1));
    }
    model.weights().trainable().forEach(group -> group.publish(numbers.step()));
  }
}
