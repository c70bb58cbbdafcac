package org.sparkfinetune.spark.check;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.tensor.Torch.Determinism;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.plan.Device;
import org.sparkfinetune.plan.Plan;
import org.sparkfinetune.plan.Planner;
import org.sparkfinetune.plan.Residency;
import org.sparkfinetune.spark.check.CheckReport.CheckLine;
import org.sparkfinetune.spark.cluster.BarrierStage;
import org.sparkfinetune.spark.cluster.ClusterSettings;
import org.sparkfinetune.spark.cluster.ExecutorSettings;
import org.sparkfinetune.spark.cluster.MemoryBesideHeap;
import org.sparkfinetune.spark.cluster.RankPlanner;
import org.sparkfinetune.spark.cluster.RankPlanner.RankPlan;
import org.sparkfinetune.store.Store;

/**
 * Executors, barrier, ports, native library, disk, and memory against the plan. Of a local cluster,
 * whose executors are processes of this machine, the settings say how many there will be, and the
 * driver looks around in their place.
 */
final class ClusterCheck {
  private static final String CLUSTER = "cluster";
  private static final String GPUS = "gpus";
  private static final String MEMORY = "memory";
  private static final double GIB = 1L << 30;
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final JavaSparkContext spark;
  private final ClusterSettings asked;
  private final TrainConfig config;
  private final DecoderConfig model;
  private final String modelFolder;

  /**
   * @param spark of {@link org.sparkfinetune.spark.cluster.ExecutorSettings#forCheck}
   * @param asked the cluster on which training will run
   */
  ClusterCheck(
      JavaSparkContext spark,
      ClusterSettings asked,
      TrainConfig config,
      DecoderConfig model,
      String modelFolder) {
    this.spark = spark;
    this.asked = asked;
    this.modelFolder = modelFolder;
    this.config = config;
    this.model = model;
  }

  List<CheckLine> run() {
    ExecutorSettings.checkBackend(spark.getConf(), config.parallelism().ddpBackend());
    RankPlanner planner = new RankPlanner(spark, PATIENCE);
    boolean inDriver =
        asked.kind() == ClusterSettings.Kind.LOCAL_CLUSTER
            && planner.master().kind() == ClusterSettings.Kind.LOCAL;
    RankPlan plan =
        inDriver
            ? RankPlanner.expected(asked, config.parallelism().numRanks())
            : planner.plan(config.parallelism().numRanks());
    List<CheckLine> lines = new ArrayList<>();
    lines.add(
        CheckLine.passed(
            CLUSTER,
            "%s rank(s) of %s core(s) from %s"
                .formatted(plan.worldSize(), plan.coresPerRank(), asked.url())));
    RankPlan looking = inDriver ? new RankPlan(1, plan.coresPerRank()) : plan;
    List<ClusterProbe.Found> found = found(planner, looking);
    lines.add(
        CheckLine.passed(
            CLUSTER,
            (inDriver
                    ? "its executors will be processes of this machine, and libtorch loads on %s"
                    : "a barrier stage started on all of them, they reach each other, and libtorch loads on %s")
                .formatted(String.join(", ", hosts(found).keySet()))));
    blind(found).ifPresent(lines::add);
    gpus(found).ifPresent(lines::add);
    determinism(found, config.compute()).ifPresent(lines::add);
    weights(found, plan.worldSize()).ifPresent(lines::add);
    hosts(found)
        .forEach(
            (host, there) ->
                lines.addAll(
                    host(
                        host,
                        there.get(0),
                        inDriver ? plan.worldSize() : there.size(),
                        plan.worldSize())));
    container(plan.worldSize()).ifPresent(lines::add);
    return lines;
  }

  private List<ClusterProbe.Found> found(RankPlanner planner, RankPlan plan) {
    ClusterProbe probe =
        new ClusterProbe(modelFolder, config.compute(), new Store(spark.hadoopConfiguration()));
    return new BarrierStage(spark, planner, plan, ExchangeSettings.defaults())
        .runOnce(probe).stream().map(ClusterProbe.Found::decoded).toList();
  }

  private static Map<String, List<ClusterProbe.Found>> hosts(List<ClusterProbe.Found> found) {
    Map<String, List<ClusterProbe.Found>> hosts = new LinkedHashMap<>();
    found.forEach(one -> hosts.computeIfAbsent(one.host(), h -> new ArrayList<>()).add(one));
    return hosts;
  }

  /** The driver's own disk is not that of the executors. */
  private Optional<CheckLine> blind(List<ClusterProbe.Found> found) {
    List<ClusterProbe.Found> blind =
        found.stream().filter(one -> one.sight() == ClusterProbe.Sight.DOES_NOT).toList();
    return blind.isEmpty()
        ? Optional.empty()
        : Optional.of(
            CheckLine.failed(
                "model",
                "%s is not there for the executors on %s"
                    .formatted(modelFolder, String.join(", ", hosts(blind).keySet())),
                "Put it where every worker sees it; models of a hub go where HF_HUB_CACHE or"
                    + " finetune.hub.cache says (hdfs:, s3a:, a shared disk)."));
  }

  static Optional<CheckLine> gpus(List<ClusterProbe.Found> found) {
    Optional<String> objection =
        found.stream().map(ClusterProbe.Found::objection).filter(o -> !o.isEmpty()).findFirst();
    if (objection.isPresent()) {
      return Optional.of(
          new CheckLine(GPUS, CheckLine.Verdict.FAILED, objection.get(), Optional.empty()));
    }
    long with = found.stream().filter(one -> !one.gpu().isEmpty()).count();
    long used = found.stream().filter(one -> one.device().startsWith("cuda")).count();
    String what = "Spark gives a GPU to %s of %s rank(s)".formatted(with, found.size());
    if (with == 0) {
      return Optional.empty();
    }
    return Optional.of(
        used == with
            ? CheckLine.passed(GPUS, what + ", which compute on them")
            : CheckLine.warned(
                GPUS,
                what + ", %s compute on them".formatted(used),
                found.stream()
                    .map(ClusterProbe.Found::unused)
                    .filter(why -> !why.isEmpty())
                    .findFirst()
                    .orElse("With device: cpu the others stay idle; device: auto uses them.")));
  }

  /** On the CPU there is nothing to choose. */
  static Optional<CheckLine> determinism(List<ClusterProbe.Found> found, Compute compute) {
    return found.stream().anyMatch(one -> one.device().startsWith("cuda"))
        ? Optional.of(CheckLine.passed(GPUS, Determinism.of(compute).text()))
        : Optional.empty();
  }

  /** What stays on the smallest GPU, and what the rest costs. */
  private Optional<CheckLine> weights(List<ClusterProbe.Found> found, int ranks) {
    OptionalLong memory =
        found.stream().mapToLong(ClusterProbe.Found::deviceMemory).filter(bytes -> bytes > 0).min();
    return memory.isPresent()
        ? Optional.of(weights(config, model, memory.getAsLong(), ranks))
        : Optional.empty();
  }

  static CheckLine weights(TrainConfig config, DecoderConfig model, long memory, int ranks) {
    Residency weights = Residency.of(config, model, memory, ranks);
    if (weights.crossing() > 0 && config.parallelism().offload()) {
      return CheckLine.warned(
          GPUS, weights.text(), "Without offload in fsdp they stay there as far as they fit.");
    }
    return weights.lacking() > 0
        ? CheckLine.warned(GPUS, weights.text(), "Raise gpu_memory, or ask plan what to change.")
        : CheckLine.passed(GPUS, weights.text());
  }

  private List<CheckLine> host(String host, ClusterProbe.Found one, int onHost, int ranks) {
    Plan plan = plan(one.memory(), onHost, ranks);
    long needed = plan.memory().needed() * onHost;
    String what =
        String.format(
            Locale.ROOT,
            "%s: %d rank(s) will need about %.1f GiB and map %.1f GiB of files; %.1f of %.1f GiB"
                + " are free",
            host,
            onHost,
            needed / GIB,
            plan.memory().mapped() / GIB,
            one.available() / GIB,
            one.memory() / GIB);
    List<CheckLine> lines = new ArrayList<>();
    if (needed > one.memory()) {
      lines.add(CheckLine.failed(MEMORY, what, "Ask plan what to change."));
    } else if (needed > one.available()) {
      lines.add(CheckLine.warned(MEMORY, what, "Free some, or ask plan what to change."));
    } else {
      lines.add(CheckLine.passed(MEMORY, what));
    }
    String disk =
        String.format(
            Locale.ROOT,
            "%s: shard files take %.1f GiB of %.1f GiB free in Spark's local folder",
            host,
            plan.memory().disk() / GIB,
            one.disk() / GIB);
    lines.add(
        plan.memory().disk() < one.disk()
            ? CheckLine.passed("disk", disk)
            : CheckLine.failed("disk", disk, "Let spark.local.dir name a larger disk."));
    return lines;
  }

  private Plan plan(long memory, int onHost, int ranks) {
    Device host =
        new Device("host", Device.Kind.CPU, Device.Bfloat16.here(), memory, 1, 1, 1, onHost, 1, 0);
    return new Planner(config, model, OptionalLong.empty()).plan(host, ranks, List.of());
  }

  /** YARN and Kubernetes end an executor that takes more than it asked for. */
  private Optional<CheckLine> container(int ranks) {
    SparkConf conf = spark.getConf();
    if (ClusterSettings.of(conf).kind() != ClusterSettings.Kind.QUEUED) {
      return Optional.empty();
    }
    long heap = conf.getSizeAsBytes("spark.executor.memory", "1g");
    long overhead = MemoryBesideHeap.overhead(conf);
    long needed = plan(Long.MAX_VALUE, 1, ranks).memory().needed();
    String what =
        String.format(
            Locale.ROOT,
            "an executor may take %.1f GiB (spark.executor.memory and memoryOverhead), a rank needs"
                + " about %.1f GiB",
            (heap + overhead) / GIB,
            needed / GIB);
    return Optional.of(
        heap + overhead >= needed
            ? CheckLine.passed(MEMORY, what)
            : CheckLine.failed(
                MEMORY,
                what,
                "Set spark.executor.memoryOverhead to at least %sg: weights live outside the heap."
                    .formatted((long) Math.ceil(needed / GIB))));
  }
}
