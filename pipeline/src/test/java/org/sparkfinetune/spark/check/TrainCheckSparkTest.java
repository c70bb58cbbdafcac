package org.sparkfinetune.spark.check;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.spark.check.CheckReport.CheckLine;
import org.sparkfinetune.spark.check.CheckReport.CheckLine.Verdict;
import org.sparkfinetune.spark.cluster.ClusterSettings;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.SparkSessions;

class TrainCheckSparkTest {
  private static final Path MODEL = Path.of("../jobs/sample/model").toAbsolutePath().normalize();

  @TempDir private Path folder;
  private final Store store = new Store(new Configuration());
  private final SparkConf local = new SparkConf().set("spark.master", "local[2]");

  @BeforeEach
  void data() throws IOException {
    Path data = Files.createDirectories(folder.resolve("data"));
    Files.writeString(data.resolve("train_dataset.json"), (row("SELECT 1") + "\n").repeat(5));
  }

  private static String row(String answer) {
    return """
    {"messages": [{"role": "user", "content": "one?"}, {"role": "assistant", "content": "%s"}]}\
    """
        .formatted(answer);
  }

  @Test
  void a_run_that_can_start_passes_everywhere_and_nothing_is_written() throws IOException {
    List<Path> before = files();
    CheckReport report = check();
    assertThat(subjects(report, Verdict.FAILED)).isEmpty();
    assertThat(subjects(report, Verdict.PASSED))
        .contains("configuration", "output", "model", "tokenizer", "template", "data")
        .contains("special tokens", "cluster", "memory", "disk");
    assertThat(report.samples()).hasSize(2);
    assertThat(report.samples().get(0).pieces().toString()).contains("SELECT 1");
    assertThat(files()).isEqualTo(before);
  }

  @Test
  void one_mistake_does_not_hide_the_next() {
    CheckReport report =
        check("--model_id", folder.resolve("none").toString(), "--modules_to_save", "norm");
    assertThat(subjects(report, Verdict.FAILED)).contains("configuration", "model");
    assertThat(text(report))
        .contains(
            "There is no folder '%s'.".formatted(folder.resolve("none")),
            "modules_to_save: norm is not implemented yet");
  }

  @Test
  void cuda_without_a_gpu_from_spark_is_told_with_what_to_set() {
    CheckReport report = check("--device", "cuda");
    assertThat(subjects(report, Verdict.FAILED)).containsExactly("gpus");
    assertThat(text(report))
        .contains(
            "device: cuda, but Spark gave no GPU to rank 0", "spark.task.resource.gpu.amount");
  }

  @Test
  void a_broken_conversation_is_named_by_its_place() throws IOException {
    Files.writeString(
        folder.resolve("data/train_dataset.json"), row("a") + "\n{\"messages\": 3}\n");
    CheckReport report = check();
    assertThat(subjects(report, Verdict.FAILED)).containsExactly("data");
    assertThat(text(report)).contains("train_dataset.json");
  }

  @Test
  void samples_that_are_too_long_are_counted() {
    CheckReport report = check("--max_seq_length", "8");
    assertThat(text(report)).contains("5 are longer than max_seq_length: 8");
    assertThat(subjects(report, Verdict.WARNED)).contains("data");
  }

  @Test
  void a_cluster_that_cannot_train_is_not_started() {
    AtomicBoolean started = new AtomicBoolean();
    SparkConf conf = local.clone().set("spark.dynamicAllocation.enabled", "true");
    CheckReport report =
        new TrainCheck(new ConfigLoader(store.hadoop()).train(Optional.empty(), words()), store)
            .run(
                conf,
                () -> {
                  started.set(true);
                  return SparkSessions.shared();
                });
    assertThat(started).isFalse();
    assertThat(subjects(report, Verdict.FAILED)).containsExactly("cluster");
    assertThat(text(report)).contains("spark.dynamicAllocation.enabled is true");
  }

  @Test
  void a_model_that_the_executors_cannot_see_is_told() {
    List<CheckLine> lines =
        new ClusterCheck(
                JavaSparkContext.fromSparkContext(SparkSessions.shared().sparkContext()),
                ClusterSettings.of(local),
                new ConfigLoader(store.hadoop()).train(Optional.empty(), words()).config(),
                ModelFolder.config(new org.apache.hadoop.fs.Path(MODEL.toUri()), store),
                folder.resolve("elsewhere").toString())
            .run();
    assertThat(subjects(new CheckReport(lines, List.of()), Verdict.FAILED))
        .containsExactly("model");
    assertThat(text(new CheckReport(lines, List.of())))
        .contains("elsewhere is not there for the executors on");
  }

  @Test
  void a_local_cluster_is_known_by_its_settings_and_looked_at_from_the_driver() {
    CheckReport report = check(new SparkConf().set("spark.master", "local-cluster[3,2,1024]"));
    assertThat(subjects(report, Verdict.FAILED)).isEmpty();
    assertThat(text(report))
        .contains(
            "3 rank(s) of 2 core(s) from local-cluster[3,2,1024]",
            "its executors will be processes of this machine, and libtorch loads on",
            "3 rank(s) will need about");
  }

  @Test
  void a_file_in_place_of_the_run_folder_is_found() throws IOException {
    Files.writeString(folder.resolve("run"), "");
    assertThat(subjects(check(), Verdict.FAILED)).containsExactly("output");
  }

  @Test
  void special_tokens_that_the_model_has_never_seen_are_named() throws IOException {
    CheckReport report = check("--model_id", base().toString());
    assertThat(subjects(report, Verdict.WARNED)).contains("special tokens");
    assertThat(text(report))
        .contains("the template uses <|end_of_text|>, which this model has never been trained on");
  }

  @Test
  void samples_longer_than_the_models_positions_are_a_warning() throws IOException {
    Path model = copy("short");
    Files.writeString(
        model.resolve("config.json"),
        Files.readString(model.resolve("config.json"))
            .replace("\"max_position_embeddings\": 1024", "\"max_position_embeddings\": 8"));
    CheckReport report = check("--model_id", model.toString());
    assertThat(subjects(report, Verdict.WARNED)).contains("data");
    assertThat(text(report)).contains("but the model is made for 8 positions");
    assertThat(text(check())).doesNotContain("positions");
  }

  private Path copy(String name) throws IOException {
    Path copy = Files.createDirectories(folder.resolve(name));
    try (Stream<Path> files = Files.list(MODEL)) {
      for (Path file : files.toList()) {
        Files.copy(file, copy.resolve(file.getFileName()));
      }
    }
    return copy;
  }

  /** The sample's model as a base model is: with nothing where special tokens' embeddings are. */
  private Path base() throws IOException {
    Path base = copy("base");
    ObjectMapper json = new ObjectMapper();
    Path weights = base.resolve("model.safetensors");
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(weights)).order(ByteOrder.LITTLE_ENDIAN);
    int header = (int) bytes.getLong(0);
    JsonNode embedding = json.readTree(bytes.array(), 8, header).path("model.embed_tokens.weight");
    int begin = 8 + header + embedding.path("data_offsets").path(0).asInt();
    int end = 8 + header + embedding.path("data_offsets").path(1).asInt();
    int row = (end - begin) / embedding.path("shape").path(0).asInt();
    for (JsonNode token :
        json.readTree(base.resolve("tokenizer.json").toFile()).path("added_tokens")) {
      int at = begin + token.path("id").asInt() * row;
      Arrays.fill(bytes.array(), at, at + row, (byte) 0);
    }
    Files.write(weights, bytes.array());
    return base;
  }

  private CheckReport check(String... more) {
    return check(local, more);
  }

  private CheckReport check(SparkConf conf, String... more) {
    return new TrainCheck(
            new ConfigLoader(store.hadoop()).train(Optional.empty(), words(more)), store)
        .run(conf, SparkSessions::shared);
  }

  private List<String> words(String... more) {
    List<String> words =
        new ArrayList<>(
            List.of(
                "--dataset_path",
                folder.resolve("data").toString(),
                "--output_dir",
                folder.resolve("run").toString()));
    if (!List.of(more).contains("--model_id")) {
      words.addAll(List.of("--model_id", MODEL.toString()));
    }
    words.addAll(List.of(more));
    return words;
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.sorted().toList();
    }
  }

  private static List<String> subjects(CheckReport report, Verdict verdict) {
    return report.lines().stream()
        .filter(line -> line.verdict() == verdict)
        .map(CheckLine::subject)
        .distinct()
        .toList();
  }

  private static String text(CheckReport report) {
    return report.lines().stream().map(CheckLine::what).collect(Collectors.joining("\n"));
  }
}
