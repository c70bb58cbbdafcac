package org.sparkfinetune.spark.cluster;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.StringJoiner;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;
import org.sparkfinetune.config.Parallelism.DdpBackend;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.engine.train.BufferSizes;
import org.sparkfinetune.errors.UserError;

/**
 * What executors and the scheduler need for training, put on the configuration before the context
 * starts, so that no user has to know it. What the user set stays.
 */
public final class ExecutorSettings {
  private static final String GPUS = "spark.executor.resource.gpu.amount";
  private static final String JAVA_OPTIONS = "spark.executor.extraJavaOptions";
  private static final String EXECUTOR_MEMORY = "spark.executor.memory";
  private static final String VECTOR_MODULE = "jdk.incubator.vector";

  /** With more cores a collector with threads of its own is worth its memory, 100 MB of it. */
  private static final int FEW_CORES = 2;

  private static final Pattern COLLECTOR = Pattern.compile("-XX:\\+Use\\w+GC");

  /**
   * Large tensors stay in the heap instead of being mapped, zeroed and unmapped for each use, and
   * the heap is in huge pages where the system gives them to who asks (glibc from 2.35 on). Threads
   * share one heap: of several, each has holes of its own, and they grow over hundreds of steps.
   */
  private static final String MALLOC =
      "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=8589934592"
          + ":glibc.malloc.top_pad=268435456:glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1";

  /**
   * How often libtorch's threads look for more to do before they sleep. By libgomp's own 300,000
   * they keep the cores from the threads that decode weights and write dropout's masks.
   */
  private static final String SPINS = "10000";

  private ExecutorSettings() {}

  /**
   * Adds what is missing to {@code conf}.
   *
   * @param numRanks as configured, empty for all executors
   * @throws UserError if the settings rule out what was asked for: dynamic allocation, or fewer
   *     executors than ranks
   */
  public static void apply(SparkConf conf, OptionalInt numRanks) {
    check(conf, numRanks);
    ClusterSettings master = ClusterSettings.of(conf);
    defaults(master).forEach(conf::setIfMissing);
    environment(master)
        .forEach((key, value) -> conf.setIfMissing("spark.executorEnv." + key, value));
    conf.set(JAVA_OPTIONS, javaOptions(conf.get(JAVA_OPTIONS, ""), master.coresPerExecutor()));
  }

  /** What executors need for inference, whose tasks are of Spark's usual kind. */
  public static void applyForInference(SparkConf conf) {
    ClusterSettings master = ClusterSettings.of(conf);
    conf.setIfMissing("spark.executorEnv.DJL_OFFLINE", "true");
    conf.set(JAVA_OPTIONS, javaOptions(conf.get(JAVA_OPTIONS, ""), master.coresPerExecutor()));
  }

  /** The checks of {@link #apply} alone. */
  public static void check(SparkConf conf, OptionalInt numRanks) {
    if (conf.getBoolean("spark.dynamicAllocation.enabled", false)) {
      throw new UserError(
          "spark.dynamicAllocation.enabled is true. All ranks of a training run have to be there"
              + " from beginning to end, so it has to be off: add --conf"
              + " spark.dynamicAllocation.enabled=false and say how many executors you want"
              + " (--num-executors, or spark.cores.max and spark.executor.cores).");
    }
    ClusterSettings master = ClusterSettings.of(conf);
    if (numRanks.isPresent() && master.executors().isPresent()) {
      int ranks = numRanks.getAsInt();
      int executors = master.executors().getAsInt();
      if (ranks > executors) {
        throw tooFew(master, ranks, executors, "allow");
      }
    }
    String memory = conf.get(EXECUTOR_MEMORY, "1g");
    master
        .workerMegabytes()
        .ifPresent(
            megabytes -> {
              if (conf.getSizeAsMb(EXECUTOR_MEMORY, memory) > megabytes) {
                throw new UserError(
                    "%s is %s, but master %s gives its workers %s MiB each. Lower it, or raise the last number of local-cluster."
                        .formatted(EXECUTOR_MEMORY, memory, master.url(), megabytes));
              }
            });
  }

  /**
   * The session in which {@code check} looks at the cluster of {@code conf}: on that cluster, or,
   * where executors would be processes of this very machine, with the driver in their place.
   * Devices that Spark has to find are looked for by executors alone. Its queries are of some
   * hundred rows, for which code that Spark compiles, plans that it adapts and a page that nobody
   * sees take longer than the rows.
   */
  public static SparkConf forCheck(SparkConf conf) {
    boolean here =
        ClusterSettings.of(conf).kind() == ClusterSettings.Kind.LOCAL_CLUSTER
            && conf.getAllWithPrefix("spark.executor.resource.").length == 0;
    SparkConf session = here ? conf.clone().setMaster("local[1]") : conf.clone();
    return session
        .setIfMissing("spark.ui.enabled", "false")
        .setIfMissing("spark.sql.codegen.wholeStage", "false")
        .setIfMissing("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .setIfMissing("spark.sql.adaptive.enabled", "false");
  }

  /**
   * Whether Spark was asked for what {@code device} needs.
   *
   * @throws UserError if it was not asked for a GPU that is needed
   */
  public static void checkDevice(SparkConf conf, DeviceChoice device) {
    if (device == DeviceChoice.CUDA) {
      needGpus(conf, "device: cuda", "device: auto or cpu");
    }
  }

  /**
   * The same of what ranks send each other by.
   *
   * @throws UserError if it was not asked for GPUs, and {@code backend} is for nothing else
   */
  public static void checkBackend(SparkConf conf, DdpBackend backend) {
    if (backend == DdpBackend.NCCL) {
      needGpus(conf, "ddp_backend: nccl", "ddp_backend: auto or spark");
    }
  }

  static boolean givesGpus(SparkConf conf) {
    return conf.getInt(GPUS, 0) > 0;
  }

  private static void needGpus(SparkConf conf, String asked, String instead) {
    if (!givesGpus(conf)) {
      throw new UserError(
          "%s, but %s is not set, so Spark gives executors no GPU. Ask for one with the lines of conf/spark/train-gpu.conf that name gpu; or use %s."
              .formatted(asked, GPUS, instead));
    }
  }

  static UserError tooFew(ClusterSettings master, int ranks, int executors, String verb) {
    String advice =
        switch (master.kind()) {
          case LOCAL ->
              "In local mode driver and executor are one JVM: use local-cluster[%s,1,2048] or a"
                      .formatted(ranks)
                  + " real cluster for more ranks";
          case LOCAL_CLUSTER ->
              "Raise the first number of local-cluster (workers) or spark.cores.max";
          case STANDALONE -> "Raise spark.cores.max, lower spark.executor.cores, or add workers";
          case QUEUED -> "Raise spark.executor.instances (--num-executors)";
        };
    return new UserError(
        "num_ranks is %s, but the settings of master %s %s %s executor%s, and each rank needs one of its own. %s; or lower num_ranks."
            .formatted(ranks, master.url(), verb, executors, executors == 1 ? "" : "s", advice));
  }

  private static Map<String, String> defaults(ClusterSettings master) {
    Map<String, String> defaults = new LinkedHashMap<>();
    defaults.put("spark.dynamicAllocation.enabled", "false");
    defaults.put("spark.scheduler.minRegisteredResourcesRatio", "1.0");
    defaults.put("spark.scheduler.barrier.maxConcurrentTasksCheck.interval", "2s");
    defaults.put("spark.scheduler.barrier.maxConcurrentTasksCheck.maxFailures", "15");
    // Spark's own default is a year.
    defaults.put("spark.barrier.sync.timeout", "300s");
    // An executor stuck in native code cannot be interrupted; it is ended instead.
    defaults.put("spark.task.reaper.enabled", "true");
    defaults.put("spark.task.reaper.killTimeout", "120s");
    if (master.kind() == ClusterSettings.Kind.STANDALONE) {
      // cores.max may be more than the cluster has; no reason to hold the first job for long.
      defaults.put("spark.scheduler.maxRegisteredResourcesWaitingTime", "10s");
    }
    return defaults;
  }

  private static Map<String, String> environment(ClusterSettings master) {
    Map<String, String> environment = new LinkedHashMap<>();
    environment.put("DJL_OFFLINE", "true");
    environment.put("GLIBC_TUNABLES", MALLOC);
    environment.put("GOMP_SPINCOUNT", SPINS);
    environment.put("ONEDNN_PRIMITIVE_CACHE_CAPACITY", Integer.toString(BufferSizes.KERNELS));
    // CUDA would count the fastest GPU first, Spark's discovery counts as nvidia-smi does.
    environment.put("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    master
        .coresPerExecutor()
        .ifPresent(cores -> environment.put("OMP_NUM_THREADS", Integer.toString(cores)));
    return environment;
  }

  private static String javaOptions(String users, OptionalInt cores) {
    StringJoiner options = new StringJoiner(" ");
    if (!users.isBlank()) {
      options.add(users.strip());
    }
    if (!users.contains(VECTOR_MODULE)) {
      options.add("--add-modules=" + VECTOR_MODULE);
    }
    if (cores.isPresent() && !users.contains("-Dai.djl.pytorch.num_threads")) {
      options.add("-Dai.djl.pytorch.num_threads=" + cores.getAsInt());
    }
    if (cores.isPresent() && cores.getAsInt() <= FEW_CORES && !COLLECTOR.matcher(users).find()) {
      options.add("-XX:+UseSerialGC");
    }
    return options.toString();
  }
}
