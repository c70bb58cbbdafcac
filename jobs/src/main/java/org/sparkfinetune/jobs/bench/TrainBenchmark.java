package org.sparkfinetune.jobs.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.data.tokenize.PackedRowsParquet;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.RunIdentity;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.metrics.MetricsLine;
import org.sparkfinetune.engine.metrics.MetricsLog;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.Summary;
import org.sparkfinetune.engine.metrics.Summary.ExchangeSummary;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.train.BaseModel;
import org.sparkfinetune.engine.train.RankReport;
import org.sparkfinetune.engine.train.ResumeState;
import org.sparkfinetune.engine.train.StepSchedule;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.plan.CpuProbe;
import org.sparkfinetune.plan.CpuProbe.LayerProducts;
import org.sparkfinetune.spark.cluster.BarrierStage;
import org.sparkfinetune.spark.cluster.BarrierStage.AttemptFailure;
import org.sparkfinetune.spark.cluster.BarrierStage.RunExchange;
import org.sparkfinetune.spark.cluster.RankPlanner;
import org.sparkfinetune.spark.cluster.RankPlanner.RankPlan;
import org.sparkfinetune.spark.train.TrainTask;
import org.sparkfinetune.store.Store;

/**
 * Trains on rows of random (or given) tokens with the shipped trainer, barrier stage and exchange,
 * and says how fast it was.
 */
final class TrainBenchmark {
  private static final int SEED = 1;
  private static final int POLL_MILLIS = 20;
  private static final long MIB = 1 << 20;

  private final SparkSession spark;
  private final Loaded<TrainConfig> loaded;
  private final TrainConfig config;
  private final Store store;
  private final Work work;

  /** What the measuring itself took before the first step. */
  private long probingMillis;

  /**
   * What is measured.
   *
   * @param rowsPerStep over all ranks
   * @param tokens a file with a JSON array of ids a line, in place of random ones
   * @param started when the user's command began
   */
  record Work(int rowsPerStep, Optional<Path> tokens, Instant started) {}

  /**
   * A benchmark that has not started.
   *
   * @param loaded its output_dir is a local folder that may be filled; max_steps counts a first
   *     step that is left out
   */
  TrainBenchmark(SparkSession spark, Loaded<TrainConfig> loaded, Work work) {
    this.spark = spark;
    this.loaded = loaded;
    this.config = loaded.config();
    this.store = new Store(spark.sparkContext().hadoopConfiguration());
    this.work = work;
  }

  /**
   * What came out.
   *
   * @param json one object, without a line end
   * @param profile lines: where rank 0's time went; empty unless asked for
   */
  record Result(String json, Optional<String> profile) {}

  /** Whether to say where the time went, which takes some seconds more. */
  enum Profile {
    NONE,
    OPERATORS
  }

  /** Trains. */
  Result run(Profile profile) {
    Map<String, Double> until = new LinkedHashMap<>();
    until.put("jvm", since(ManagementFactory.getRuntimeMXBean().getStartTime()));
    until.put("spark", since(System.currentTimeMillis()));
    RunFolder folder = RunFolder.of(config.outputDir());
    Path rows = Path.of(config.outputDir()).resolve("rows");
    writeRows(rows);
    store.replace(folder.config(), loaded.yaml().getBytes(StandardCharsets.UTF_8));
    JavaSparkContext context = new JavaSparkContext(spark.sparkContext());
    RankPlanner planner = new RankPlanner(context, Duration.ofSeconds(60));
    RankPlan plan = planner.plan(config.parallelism().numRanks());
    until.put("executors", since(System.currentTimeMillis()));
    double before = profile == Profile.NONE ? 0 : limit(plan);
    TrainTask task =
        new TrainTask(
            folder.config().toString(),
            config.model(),
            rows.toString(),
            List.of(),
            store,
            new ResumeState(new RunIdentity(Map.of()), work.rowsPerStep(), Optional.empty()),
            spark.sparkContext().longAccumulator("layers loaded"),
            Optional.empty());
    ExchangeSettings exchange =
        RunExchange.settings(context.getConf(), config.parallelism().exchange());
    CompletableFuture<double[]> clock = CompletableFuture.supplyAsync(() -> firstTimes(folder));
    List<RankReport> reports = reports(new BarrierStage(context, planner, plan, exchange), task);
    List<MetricsLine> lines = MetricsLog.read(folder, store);
    double[] times = clock.join();
    until.put("ready", times[0]);
    until.put("first_step", times[1]);
    ObjectNode json = json(plan, reports, lines, times);
    ObjectNode startUp = json.putObject("seconds_until");
    until.forEach((what, seconds) -> startUp.put(what, rounded(seconds)));
    Optional<TrainProfile> profiled =
        profile == Profile.NONE
            ? Optional.empty()
            : Optional.of(profile(plan, reports.get(0), (before + limit(plan)) / 2));
    profiled.ifPresent(
        made -> {
          double speed = json.get("tokens_per_second").asDouble() / plan.worldSize();
          json.put("matmul_share", rounded(made.share(speed)));
        });
    return new Result(json.toString(), profiled.map(TrainProfile::text));
  }

  private static List<RankReport> reports(BarrierStage stage, TrainTask task) {
    try {
      return stage.run(task, 0).stream().map(TrainTask::report).toList();
    } catch (AttemptFailure e) {
      throw new RunFailure("The benchmark's run failed: " + e.getMessage(), e);
    }
  }

  /**
   * Operations a second of nothing but products with the threads of all ranks, while the executors
   * are idle. A machine that others use too has not one speed: so it is measured before the steps
   * and after them.
   */
  private double limit(RankPlan plan) {
    long begun = System.currentTimeMillis();
    DecoderConfig model = modelConfig();
    double limit =
        CpuProbe.productFlops(
            plan.worldSize() * plan.coresPerRank(),
            config.compute().bf16() ? CpuProbe.Numbers.BFLOAT16 : CpuProbe.Numbers.FLOAT32,
            model.hiddenSize(),
            model.intermediateSize());
    probingMillis += System.currentTimeMillis() - begun;
    return limit;
  }

  private TrainProfile profile(RankPlan plan, RankReport report, double limit) {
    DecoderConfig model = modelConfig();
    long tokens =
        (long) config.loop().maxSteps().orElse(1)
            * work.rowsPerStep()
            * config.data().maxSeqLength()
            / plan.worldSize();
    LayerProducts layers =
        LayerProducts.of(model, config.method(), config.compute().gradientCheckpointing());
    double head =
        (config.method() == Method.FULL ? 6.0 : 4.0) * model.vocabSize() * model.hiddenSize();
    return new TrainProfile(report, layers, head, tokens, limit / plan.worldSize());
  }

  private ObjectNode json(
      RankPlan plan, List<RankReport> reports, List<MetricsLine> lines, double[] firstTimes) {
    List<MetricsLine.Train> steps =
        lines.stream()
            .filter(MetricsLine.Train.class::isInstance)
            .map(MetricsLine.Train.class::cast)
            .toList();
    double[] speeds = steps.stream().mapToDouble(MetricsLine.Train::tokensPerSecond).toArray();
    ObjectNode json = new ObjectMapper().createObjectNode();
    json.put("model", config.model().modelId());
    json.put("method", config.method().name().toLowerCase(Locale.ROOT));
    json.put("ranks", plan.worldSize()).put("threads_per_rank", plan.coresPerRank());
    json.put("seq", config.data().maxSeqLength()).put("micro", work.rowsPerStep());
    json.put("tokens_per_second", rounded(Summary.medianSpeed(speeds)));
    json.put("best", rounded(Arrays.stream(speeds).skip(1).max().orElse(0)));
    long rss = reports.stream().mapToLong(r -> r.use().peakRssBytes()).max().orElse(0);
    long anonymous = reports.stream().mapToLong(r -> r.use().peakAnonymousBytes()).max().orElse(0);
    json.put("peak_rss_mib", rss / MIB).put("peak_anonymous_mib", anonymous / MIB);
    ObjectNode memory = json.putObject("peak_anonymous_mib_by_phase");
    reports
        .get(0)
        .use()
        .anonymousBytesByPhase()
        .forEach((phase, bytes) -> memory.put(phase.name().toLowerCase(Locale.ROOT), bytes / MIB));
    json.put("ready_s", rounded(firstTimes[0])).put("first_step_s", rounded(firstTimes[1]));
    ExchangeSummary exchange = reports.get(0).use().exchange();
    json.put("mapped_mib", exchange.mappedBytes() / MIB);
    json.put("received_mib", exchange.receivedBytes() / MIB)
        .put("sent_mib", exchange.sentBytes() / MIB);
    json.put("waited_s", rounded(exchange.secondsWaited()));
    json.put("bottleneck", exchange.bottleneck(reports.get(0).seconds()).text());
    json.put("first_loss", steps.get(0).loss());
    json.put("first_grad_norm", steps.get(0).gradNorm());
    ObjectNode phases = json.putObject("seconds_by_phase");
    for (Map.Entry<Phase, Double> phase : reports.get(0).seconds().entrySet()) {
      phases.put(phase.getKey().name().toLowerCase(Locale.ROOT), rounded(phase.getValue()));
    }
    return json;
  }

  /** Seconds from the user's command to a time, without what was only measured. */
  private double since(long millis) {
    return (millis - work.started().toEpochMilli() - probingMillis) * 1e-3;
  }

  private static double rounded(double x) {
    return Math.round(x * 100) / 100.0;
  }

  /** Seconds from the command to the model's readiness and to the end of the first step. */
  private double[] firstTimes(RunFolder folder) {
    double[] times = new double[2];
    while (times[1] == 0) {
      try {
        TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return times;
      }
      if (store.read(folder.metrics()).isPresent()) {
        double now = since(System.currentTimeMillis());
        times[0] = times[0] == 0 ? now : times[0];
        times[1] = MetricsLog.read(folder, store).isEmpty() ? 0 : now;
      }
    }
    return times;
  }

  private void writeRows(Path folder) {
    int steps = config.loop().maxSteps().orElse(1);
    int count = steps * work.rowsPerStep();
    StepSchedule schedule =
        new StepSchedule(count, work.rowsPerStep(), config.loop(), config.seed());
    int[][] ids = ids(count);
    // Rows are stored so that the steps' order is that of the ids.
    int[][] stored = new int[count][];
    for (int step = 1; step <= steps; step++) {
      int[] places = schedule.rows(step);
      for (int i = 0; i < places.length; i++) {
        stored[places[i]] = ids[(step - 1) * work.rowsPerStep() + i];
      }
    }
    try {
      Files.createDirectories(folder);
      try (PackedRowsParquet.RowWriter writer =
          PackedRowsParquet.writer(
              new org.apache.hadoop.fs.Path(folder.resolve("train-0.parquet").toUri()), store)) {
        for (int[] row : stored) {
          int[] positions = new int[row.length];
          Arrays.setAll(positions, i -> i);
          writer.write(new PackedRow(row, row, positions, new int[row.length]));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private int[][] ids(int count) {
    int length = config.data().maxSeqLength();
    List<int[]> given = work.tokens().map(file -> read(file, length)).orElse(List.of());
    int vocabulary = modelConfig().vocabSize();
    Random random = new Random(SEED);
    int[][] ids = new int[count][];
    for (int row = 0; row < count; row++) {
      ids[row] =
          given.isEmpty()
              ? random.ints(length, 0, vocabulary).toArray()
              : given.get(row % given.size());
    }
    return ids;
  }

  private DecoderConfig modelConfig() {
    try (BaseModel model = BaseModel.open(config.model().modelId(), store)) {
      return model.config();
    }
  }

  private static List<int[]> read(Path file, int length) {
    List<int[]> rows = new ArrayList<>();
    try {
      for (String line : Files.readAllLines(file)) {
        int[] ids = new ObjectMapper().readValue(line, int[].class);
        if (ids.length != length) {
          throw new UserError(
              "%s:%s has %s ids, but --seq is %s; all rows have to be of that length."
                  .formatted(file, rows.size() + 1, ids.length, length));
        }
        rows.add(ids);
      }
    } catch (IOException e) {
      throw new UserError(
          "--tokens is %s, which is no file with a JSON array of ids in every line: %s"
              .formatted(file, e.getMessage()),
          e);
    }
    return rows;
  }
}
