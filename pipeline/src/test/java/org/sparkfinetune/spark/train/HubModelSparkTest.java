package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.security.alias.CredentialProvider;
import org.apache.hadoop.security.alias.CredentialProviderFactory;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.EvaluateConfig;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.Sampling;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.TextGenerator;
import org.sparkfinetune.inference.generate.TextGenerator.TextListener;
import org.sparkfinetune.inference.generate.TextGenerator.TextPrompt;
import org.sparkfinetune.spark.check.CheckReport;
import org.sparkfinetune.spark.check.CheckReport.CheckLine;
import org.sparkfinetune.spark.check.TrainCheck;
import org.sparkfinetune.spark.evaluate.EvaluateJob;
import org.sparkfinetune.spark.generate.AnsweringModel;
import org.sparkfinetune.spark.model.ModelFolders;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.TestHub;

/** Models, tokenizers and adapters by their names on a hub, which is one on loopback here. */
class HubModelSparkTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String WEIGHTS = "model.safetensors";
  private static JavaSparkContext spark;
  private static SampleRun sample;
  @TempDir static Path shared;
  @TempDir Path folder;
  private final Store store = new Store(new Configuration());
  private TestHub hub;

  @BeforeAll
  static void start() throws IOException {
    spark = Contexts.local();
    sample = new SampleRun(shared);
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  @BeforeEach
  void serve() throws IOException {
    hub = model("owner/llama", SampleRun.MODEL);
    use(hub);
    store.hadoop().set("finetune.hub.cache", folder.resolve("cache").toUri().toString());
  }

  @AfterEach
  void close() {
    hub.close();
  }

  private void use(TestHub other) {
    store.hadoop().set("finetune.hub.endpoint", other.endpoint());
  }

  private static TestHub model(String name, Path files) throws IOException {
    TestHub hub = TestHub.model(name);
    try (Stream<Path> all = Files.list(files)) {
      for (Path file : all.toList()) {
        String path = file.getFileName().toString();
        byte[] bytes = Files.readAllBytes(file);
        if (path.endsWith(".safetensors")) {
          hub.large(path, bytes);
        } else {
          hub.small(path, bytes);
        }
      }
    }
    return hub;
  }

  private void token(String secret) throws IOException {
    store
        .hadoop()
        .set(
            "hadoop.security.credential.provider.path",
            "localjceks://file" + folder.resolve("secrets.jceks"));
    CredentialProvider provider = CredentialProviderFactory.getProviders(store.hadoop()).get(0);
    provider.createCredentialEntry("finetune.hub.token", secret.toCharArray());
    provider.flush();
  }

  private ModelChoice choice(String model, String adapter) {
    return new ModelChoice(
        model, Optional.of(adapter), Optional.empty(), Optional.empty(), Optional.empty());
  }

  @Test
  void a_run_on_a_hubs_private_model_is_that_on_its_folder_and_needs_the_hub_once()
      throws IOException {
    hub.needsToken("hf_secret").small("original/params.json", "{}");
    hub.large("original/model.safetensors", new byte[10]).breaksAfter(WEIGHTS, 100_000);
    token("hf_secret");
    Path run = folder.resolve("run");
    sample.train(spark, store, run, "--model_id", "owner/llama", "--max_steps", "4");
    Path local = folder.resolve("local");
    sample.train(spark, local, "--max_steps", "4");

    assertThat(SampleRun.adapter(run)).isEqualTo(SampleRun.adapter(local));
    assertThat(hub.requests())
        .anyMatch(request -> request.endsWith(" bytes=100000-"))
        .noneMatch(request -> request.contains("original"));
    JsonNode provenance = JSON.readTree(run.resolve("provenance.json").toFile()).path("model");
    assertThat(provenance.path("path").asText()).isEqualTo("owner/llama");
    assertThat(provenance.path("revision").asText()).isEqualTo(hub.commit());
    JsonNode adapter = JSON.readTree(run.resolve("adapter/adapter_config.json").toFile());
    assertThat(adapter.path("base_model_name_or_path").asText()).isEqualTo("owner/llama");
    assertThat(adapter.path("revision").isNull()).isTrue();

    hub.close();
    store.hadoop().set("finetune.hub.offline", "true");
    SampleRun.summary(run);
    Files.delete(run.resolve("summary.json"));
    sample.train(spark, store, run, "--model_id", "owner/llama", "--max_steps", "4");
    assertThat(SampleRun.adapter(run)).isEqualTo(SampleRun.adapter(local));
    answers(choice("owner/llama", run.resolve("adapter").toString()));
  }

  @Test
  void a_revision_is_kept_in_the_adapters_files_and_the_tokenizer_may_be_anothers()
      throws IOException {
    Path run = folder.resolve("run");
    sample.train(
        spark,
        store,
        run,
        "--model_id",
        SampleRun.MODEL.toString(),
        "--tokenizer",
        "hub:owner/llama@" + hub.commit(),
        "--max_steps",
        "1");
    assertThat(hub.requests()).noneMatch(request -> request.contains(WEIGHTS));
    sample.train(
        spark,
        store,
        folder.resolve("pinned"),
        "--model_id",
        "owner/llama@" + hub.commit(),
        "--max_steps",
        "1");
    JsonNode adapter = JSON.readTree(folder.resolve("pinned/adapter/adapter_config.json").toFile());
    assertThat(adapter.path("base_model_name_or_path").asText()).isEqualTo("owner/llama");
    assertThat(adapter.path("revision").asText()).isEqualTo(hub.commit());
  }

  @Test
  void an_adapter_from_a_hub_goes_on_and_answers_and_is_evaluated() throws IOException {
    Path run = folder.resolve("run");
    sample.train(spark, run, "--max_steps", "1");
    try (TestHub adapters = model("owner/adapter", run.resolve("adapter"))) {
      use(adapters);
      sample.train(
          spark, store, folder.resolve("more"), "--adapter", "owner/adapter", "--max_steps", "1");
      answers(choice(SampleRun.MODEL.toString(), "owner/adapter"));
      store
          .hadoop()
          .forEach(
              entry -> {
                if (entry.getKey().startsWith("finetune.hub.")) {
                  spark.hadoopConfiguration().set(entry.getKey(), entry.getValue());
                }
              });
      new EvaluateJob(SparkSession.builder().sparkContext(spark.sc()).getOrCreate())
          .run(
              new EvaluateConfig(
                  new ModelChoice(
                      SampleRun.MODEL.toString(),
                      Optional.empty(),
                      Optional.empty(),
                      Optional.empty(),
                      Optional.empty()),
                  Optional.of(List.of("owner/adapter")),
                  sample.data().toString(),
                  Optional.of(2),
                  Set.of(Metric.LOSS),
                  Optional.empty(),
                  true,
                  Optional.of(folder.resolve("evaluated").toString()),
                  Optional.of(folder.resolve("best").toString()),
                  Sampling.greedy(1, 1),
                  OptionalInt.empty()));
      assertThat(folder.resolve("evaluated/evaluation.json")).content().contains("models--owner");
    } finally {
      spark.hadoopConfiguration().unset("finetune.hub.endpoint");
      spark.hadoopConfiguration().unset("finetune.hub.cache");
    }
  }

  private void answers(ModelChoice model) {
    try (AnsweringModel answering = AnsweringModel.of(model, Sampling.greedy(3, 1), store);
        TextGenerator generator = answering.newGenerator(1)) {
      assertThat(generator.complete(List.of(new TextPrompt.Plain(0, "SELECT")), TextListener.NONE))
          .hasSize(1);
    }
  }

  @Test
  void check_looks_at_a_hubs_model_without_downloading_its_weights() {
    CheckReport report = check();
    assertThat(text(report))
        .contains("owner/llama: 4 layers", "have yet to come to", "every id has a row");
    assertThat(report.hasFailed()).as(text(report)).isFalse();
    assertThat(hub.requests()).noneMatch(request -> request.contains(WEIGHTS));
    sample.train(
        spark, store, folder.resolve("run"), "--model_id", "owner/llama", "--max_steps", "1");
    assertThat(text(check())).contains("weights, all there");
  }

  private CheckReport check() {
    List<String> words =
        List.of(
            "--model_id",
            "owner/llama",
            "--dataset_path",
            sample.data().toString(),
            "--output_dir",
            folder.resolve("none").toString());
    return new TrainCheck(new ConfigLoader(store.hadoop()).train(Optional.empty(), words), store)
        .run(
            new SparkConf().set("spark.master", "local[1]"),
            () -> SparkSession.builder().sparkContext(spark.sc()).getOrCreate());
  }

  private static String text(CheckReport report) {
    return String.join("\n", report.lines().stream().map(CheckLine::what).toList());
  }

  @Test
  void a_name_of_neither_a_folder_nor_a_model_says_so() {
    hub.needsToken("hf_secret");
    assertThatThrownBy(() -> located("owner/llama"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("there is no such model, or it is private")
        .hasMessageEndingWith("There is no folder 'owner/llama' either.");
    hub.close();
    store.hadoop().set("finetune.hub.offline", "true");
    assertThatThrownBy(() -> located("owner/llama"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("the hub may not be asked")
        .hasMessageContaining("no folder 'owner/llama'");
  }

  @Test
  void a_model_that_the_hubs_own_library_cached_trains_offline_by_its_id_and_by_its_folder()
      throws IOException {
    hub.close();
    store.hadoop().set("finetune.hub.offline", "true");
    String commit = "0123456789".repeat(4);
    Path repository = folder.resolve("cache/models--owner--llama");
    Path snapshot = Files.createDirectories(repository.resolve("snapshots").resolve(commit));
    Path blobs = Files.createDirectories(repository.resolve("blobs"));
    try (Stream<Path> all = Files.list(SampleRun.MODEL)) {
      for (Path file : all.toList()) {
        String name = file.getFileName().toString();
        Files.copy(file, blobs.resolve("blob-of-" + name));
        Files.createSymbolicLink(snapshot.resolve(name), Path.of("../../blobs/blob-of-" + name));
      }
    }
    assertThatThrownBy(() -> located("owner/llama"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("the hub may not be asked");
    Files.createDirectories(repository.resolve("refs"));
    Files.writeString(repository.resolve("refs/main"), commit);
    Path byId = folder.resolve("by-id");
    sample.train(spark, store, byId, "--model_id", "owner/llama", "--max_steps", "1");
    Path byFolder = folder.resolve("by-folder");
    sample.train(spark, store, byFolder, "--model_id", snapshot.toString(), "--max_steps", "1");
    assertThat(SampleRun.adapter(byId)).isEqualTo(SampleRun.adapter(byFolder));
    JsonNode provenance = JSON.readTree(byId.resolve("provenance.json").toFile()).path("model");
    assertThat(provenance.path("revision").asText()).isEqualTo(commit);
    Files.delete(blobs.resolve("blob-of-" + WEIGHTS));
    assertThatThrownBy(() -> located("owner/llama"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("holds no model*.safetensors");
  }

  @Test
  void a_model_of_pickled_weights_alone_is_refused() {
    try (TestHub pickled = TestHub.model("owner/old")) {
      pickled.small("config.json", "{}").large("pytorch_model.bin", new byte[10]);
      use(pickled);
      assertThatThrownBy(() -> located("owner/old"))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("hub:owner/old@main holds no model*.safetensors");
    }
  }

  private void located(String name) {
    new ModelFolders(store).model(name, "main");
  }
}
