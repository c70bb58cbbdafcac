package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.spark.api.java.JavaSparkContext;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.bench.ModelMaker;
import org.sparkfinetune.bench.ModelShape;

/**
 * What executors hold in anonymous memory while they train, read from /proc as the operating system
 * tells it.
 */
class MemoryClusterTest {
  private static final int HIDDEN = 1024;
  private static final int INTERMEDIATE = 4096;
  private static final int LAYERS = 24;
  private static final double NF4_BYTES = 0.515869;
  private static final long MIB = 1 << 20;

  @TempDir static Path folder;
  private static JavaSparkContext spark;
  private static SampleRun sample;
  private static List<ProcessHandle> executors = List.of();

  @BeforeAll
  static void start() throws IOException {
    // Those of an earlier test may still be on their way out.
    List<ProcessHandle> others = SampleRun.executors();
    // The whole heap is there from the beginning, and what is freed goes back at once, so that
    // neither is taken for the model's.
    spark =
        Contexts.twoExecutors(
            1,
            Map.of(
                "spark.executor.extraJavaOptions",
                "-Xms512m -XX:+AlwaysPreTouch -XX:+UseSerialGC",
                "spark.executorEnv.GLIBC_TUNABLES",
                "glibc.malloc.mmap_threshold=131072",
                "spark.executorEnv.SPARK_FINETUNE_SHARDS",
                ""));
    sample = new SampleRun(folder);
    executors =
        Awaitility.await()
            .until(
                () -> SampleRun.executors().stream().filter(e -> !others.contains(e)).toList(),
                own -> own.size() == 2);
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  @Test
  void neither_of_two_executors_holds_the_quantised_model_nor_its_own_half() throws IOException {
    // A small model's steps are over in less than a look takes, so there are many of them.
    Map<Long, Long> small = peaks(2, 10);
    Map<Long, Long> large = peaks(LAYERS, 1);

    assertThat(small).as("two processes").hasSize(2);
    assertThat(SampleRun.executors()).as("the same to the end").containsAll(executors);
    long quantised = (long) (NF4_BYTES * (linears(LAYERS) - linears(2)));
    assertThat((long) (NF4_BYTES * linears(LAYERS))).isGreaterThan(160 * MIB);
    large.forEach(
        (process, peak) ->
            assertThat(peak - small.get(process))
                .as("anonymous memory that more layers cost, of %d bytes in NF4", quantised)
                .isLessThan(quantised / 3));
  }

  private static long linears(int layers) {
    return layers * (4L * HIDDEN * HIDDEN + 3L * HIDDEN * INTERMEDIATE);
  }

  /** Peak anonymous bytes of each executor, by process id, during a run with so many layers. */
  private static Map<Long, Long> peaks(int layers, int steps) throws IOException {
    Path model = model(layers);
    CompletableFuture<Void> training =
        CompletableFuture.runAsync(
            () ->
                sample.train(
                    spark,
                    folder.resolve("run-" + layers),
                    "--model_id",
                    model.toString(),
                    "--tokenizer",
                    SampleRun.MODEL.toString(),
                    "--lora_r",
                    "1",
                    "--max_steps",
                    Integer.toString(steps),
                    "--eval_strategy",
                    "no",
                    "--save_strategy",
                    "no"));
    Map<Long, Long> peaks = new HashMap<>();
    Awaitility.await()
        .atMost(Duration.ofMinutes(5))
        .pollInterval(Duration.ofMillis(10))
        .until(
            () -> {
              for (ProcessHandle executor : executors) {
                peaks.merge(executor.pid(), anonymousBytes(executor.pid()), Math::max);
              }
              return training.isDone();
            });
    training.join();
    return peaks;
  }

  private static Path model(int layers) throws IOException {
    ObjectMapper json = new ObjectMapper();
    ObjectNode config = (ObjectNode) json.readTree(SampleRun.MODEL.resolve("config.json").toFile());
    config.put("hidden_size", HIDDEN).put("intermediate_size", INTERMEDIATE);
    config.put("num_hidden_layers", layers);
    config.put("num_attention_heads", 8).put("num_key_value_heads", 8).put("head_dim", 128);
    Path file = folder.resolve("config-" + layers + ".json");
    json.writeValue(file.toFile(), config);
    Path model = folder.resolve("model-" + layers);
    ModelMaker.write(ModelShape.named(file.toString()), 7, model);
    return model;
  }

  private static long anonymousBytes(long process) throws IOException {
    List<String> lines = Files.readAllLines(Path.of("/proc/" + process + "/status"));
    return lines.stream()
        .filter(line -> line.startsWith("RssAnon:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
        .findFirst()
        .orElseThrow();
  }
}
