package org.sparkfinetune.jobs.bench;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileUtil;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import org.sparkfinetune.bench.ModelMaker;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.spark.cluster.ExecutorSettings;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Behind {@code jobs/bin/bench train}. */
@Command(
    name = "bench-train",
    hidden = true,
    description = {
      "Trains on random tokens and prints one JSON line: tokens_per_second (median step, the first",
      "left out), peak_rss_mib (largest rank), ready_s and first_step_s since the command began.",
      "Other words are keys of train: --gradient_checkpointing false, --lora_dropout 0."
    })
public final class BenchTrainCommand implements Runnable {
  @Option(
      names = "--model_id",
      required = true,
      description = "A model folder, or a shape that make-model knows.")
  private String model = "";

  @Option(names = "--ranks", defaultValue = "1", description = "Executors, one rank in each.")
  private int ranks;

  @Option(names = "--seq", defaultValue = "512", description = "Tokens of a row.")
  private int seq;

  @Option(names = "--micro", defaultValue = "4", description = "Rows of a step over all ranks.")
  private int micro;

  @Option(names = "--steps", defaultValue = "3", description = "Steps that are measured.")
  private int steps;

  @Option(names = "--tokens", description = "Rows: a JSON array of ids a line.")
  private Optional<Path> tokens = Optional.empty();

  @Option(names = "--json", description = "Accepted; the result is JSON anyway.")
  private boolean json;

  @Option(
      names = "--profile",
      description = {
        "Says on standard error how long each phase and each script operator took, and how near",
        "their products came to what this machine can do; the JSON gets matmul_share."
      })
  private boolean profile;

  @Parameters(paramLabel = "--KEY VALUE", arity = "0..*", description = "Keys of train.")
  private final List<String> others = new ArrayList<>();

  private final PrintWriter out;
  private final Function<SparkConf, SparkSession> spark;

  /**
   * @param spark starts a session, with the caller's words for settings that Spark refuses
   */
  public BenchTrainCommand(PrintWriter out, Function<SparkConf, SparkSession> spark) {
    this.out = out;
    this.spark = spark;
  }

  @Override
  public void run() {
    try {
      Path folder = Files.createTempDirectory("bench-train-");
      try {
        TrainBenchmark.Result result = benchmark(folder);
        result.profile().ifPresent(System.err::println);
        out.println(result.json());
        out.flush();
      } finally {
        FileUtil.fullyDelete(folder.toFile());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private TrainBenchmark.Result benchmark(Path folder) {
    List<String> words = new ArrayList<>(List.of("--model_id", modelFolder()));
    words.addAll(List.of("--dataset_path", folder.toString(), "--output_dir", folder.toString()));
    words.addAll(List.of("--num_ranks", Integer.toString(ranks)));
    words.addAll(List.of("--max_seq_length", Integer.toString(seq)));
    words.addAll(List.of("--max_steps", Integer.toString(steps + 1)));
    words.addAll(List.of("--logging_steps", "1", "--eval_strategy", "no", "--save_strategy", "no"));
    words.addAll(others);
    Loaded<TrainConfig> loaded =
        ConfigLoader.ofUser(new Configuration()).train(Optional.empty(), words);
    SparkConf conf = new SparkConf().setAppName("spark-finetune bench train");
    ExecutorSettings.apply(conf, loaded.config().parallelism().numRanks());
    SparkSession session = spark.apply(conf);
    try {
      return new TrainBenchmark(session, loaded, new TrainBenchmark.Work(micro, tokens, started()))
          .run(profile ? TrainBenchmark.Profile.OPERATORS : TrainBenchmark.Profile.NONE);
    } finally {
      session.stop();
    }
  }

  /** The script says when the user's command began. */
  private static Instant started() {
    return Optional.ofNullable(System.getenv("BENCH_STARTED_MILLIS"))
        .map(millis -> Instant.ofEpochMilli(Long.parseLong(millis)))
        .orElseGet(Instant::now);
  }

  private String modelFolder() {
    if (!ModelShape.NAMES.contains(model) || Files.exists(Path.of(model))) {
      return model;
    }
    Path made = Path.of(System.getProperty("java.io.tmpdir"), "spark-finetune-bench", model);
    if (!Files.exists(made.resolve("config.json"))) {
      ModelMaker.write(ModelShape.named(model), 42, made);
    }
    return made.toString();
  }
}
