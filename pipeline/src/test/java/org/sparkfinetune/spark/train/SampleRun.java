package org.sparkfinetune.spark.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.store.Store;

/** Trains the shipped sample model on a few of its rows, with a run folder in a test's folder. */
public final class SampleRun {
  private static final Path SAMPLE = Path.of("../jobs/sample").toAbsolutePath().normalize();
  public static final Path MODEL = SAMPLE.resolve("model");
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path data;

  /** Prepares 64 conversations, and 4 for evaluation. */
  public SampleRun(Path folder) throws IOException {
    data = Files.createDirectories(folder.resolve("data"));
    List<String> conversations = new ArrayList<>();
    try (Stream<String> rows = Files.lines(SAMPLE.resolve("rows.jsonl"))) {
      for (String row : rows.limit(68).toList()) {
        conversations.add(conversation(JSON.readTree(row)));
      }
    }
    Files.write(data.resolve("train_dataset.json"), conversations.subList(0, 64));
    Files.write(data.resolve("test_dataset.json"), conversations.subList(64, 68));
  }

  private static String conversation(JsonNode row) {
    var node = JSON.createObjectNode();
    var messages = node.putArray("messages");
    messages.addObject().put("role", "user").put("content", row.path("question").asText());
    messages.addObject().put("role", "assistant").put("content", row.path("answer").asText());
    return node.toString();
  }

  /** Runs to the end in the calling thread. */
  void train(JavaSparkContext spark, Path runFolder, String... overrides) {
    train(spark, new Store(new Configuration()), runFolder, overrides);
  }

  /** The same on another day. */
  void train(JavaSparkContext spark, Clock clock, Path runFolder, String... overrides) {
    train(spark, new Store(new Configuration()), clock, runFolder, overrides);
  }

  /** The same in a process with these settings of Hadoop. */
  void train(JavaSparkContext spark, Store store, Path runFolder, String... overrides) {
    train(spark, store, Clock.system(ZoneId.systemDefault()), runFolder, overrides);
  }

  private void train(
      JavaSparkContext spark, Store store, Clock clock, Path runFolder, String... overrides) {
    Map<String, String> keys = new LinkedHashMap<>();
    keys.put("--model_id", MODEL.toString());
    keys.put("--dataset_path", data.toString());
    keys.put("--output_dir", runFolder.toString());
    keys.put("--bf16", "false");
    keys.put("--max_seq_length", "128");
    keys.put("--max_steps", "24");
    keys.put("--learning_rate", "2e-3");
    keys.put("--logging_steps", "1");
    keys.put("--save_strategy", "steps");
    keys.put("--save_steps", "4");
    for (int i = 0; i < overrides.length; i += 2) {
      keys.put(overrides[i], overrides[i + 1]);
    }
    List<String> words = new ArrayList<>();
    keys.forEach((key, value) -> words.addAll(List.of(key, value)));
    Loaded<TrainConfig> loaded = new ConfigLoader(store.hadoop()).train(Optional.empty(), words);
    if (!TrainPreflight.isFinished(loaded, store)) {
      TrainPreflight preflight = TrainPreflight.check(loaded, store);
      new TrainDriver(
              SparkSession.builder().sparkContext(spark.sc()).getOrCreate(), preflight, clock)
          .run();
    }
  }

  /** Processes of this JVM's executors. */
  public static List<ProcessHandle> executors() {
    return ProcessHandle.current().descendants().filter(SampleRun::isExecutor).toList();
  }

  static boolean isExecutor(ProcessHandle process) {
    try {
      // What Java tells of a command line ends after 4,096 bytes.
      return Files.readString(Path.of("/proc/" + process.pid() + "/cmdline"))
          .contains("CoarseGrainedExecutorBackend");
    } catch (IOException e) {
      return false;
    }
  }

  public Path data() {
    return data;
  }

  static byte[] adapter(Path runFolder) throws IOException {
    return Files.readAllBytes(runFolder.resolve("adapter/adapter_model.safetensors"));
  }

  /** Lines of metrics.jsonl that have a key, in their order. */
  static List<JsonNode> metrics(Path runFolder, String key) throws IOException {
    List<JsonNode> lines = new ArrayList<>();
    for (String line : Files.readAllLines(runFolder.resolve("metrics.jsonl"))) {
      JsonNode node = JSON.readTree(line);
      if (node.has(key)) {
        lines.add(node);
      }
    }
    return lines;
  }

  static JsonNode summary(Path runFolder) throws IOException {
    return JSON.readTree(runFolder.resolve("summary.json").toFile());
  }

  /** Names of the complete checkpoints. */
  static List<String> checkpoints(Path runFolder) throws IOException {
    Path folder = runFolder.resolve("checkpoints");
    if (!Files.exists(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(file -> Files.exists(file.resolve("manifest.json")))
          .map(file -> file.getFileName().toString())
          .filter(name -> name.startsWith("step-"))
          .sorted()
          .toList();
    }
  }
}
