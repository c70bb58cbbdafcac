package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.sql.SparkSession;
import org.awaitility.Awaitility;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.config.TrainingData.Overlong;
import org.sparkfinetune.data.tokenize.PackedRowTexts;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.data.tokenize.PackedRowsFile;
import org.sparkfinetune.data.tokenize.TinyTokenizer;
import org.sparkfinetune.spark.dataset.DatasetManifest;
import org.sparkfinetune.spark.tokenize.TokenizeJob;
import org.sparkfinetune.spark.tokenize.TokenizeJob.TokenizeRequest;
import org.sparkfinetune.spark.tokenize.TokenizedDataset;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.TestHub;

/** What every store has to do, checked on each. */
final class Stores {
  private Stores() {}

  /** From raw rows to packed ones, all of it on the store, replaced once. */
  static void everythingWorksOn(SparkSession spark, String root, java.nio.file.Path scratch)
      throws IOException {
    FileSystem files = new Path(root).getFileSystem(spark.sparkContext().hadoopConfiguration());
    try (var out = files.create(new Path(root, "in/rows.jsonl"))) {
      out.write(
          String.join("\n", Rows.sqlLines(500)).getBytes(java.nio.charset.StandardCharsets.UTF_8));
      out.write("\nnot json\n".getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }
    Configs configs =
        Configs.to(java.nio.file.Path.of("unused"))
            .input(root + "/in/*.jsonl")
            .at(root + "/out")
            .maxRejected(1);
    assertThat(new Prepare(spark, configs.config()).run().rows())
        .isEqualTo(new PrepareReport.Rows(501, 400, 100, 1, 0, 0));
    complete(files, new Path(root, "out"), 400);
    new Prepare(spark, configs.testRows(50).overwrite().config()).run();
    complete(files, new Path(root, "out"), 450);
    assertThat(namesIn(files, new Path(root))).containsExactlyInAnyOrder("in", "out");

    Rows.write(scratch.resolve("in/rows.jsonl"), Rows.sqlLines(500));
    java.nio.file.Path local = scratch.resolve("out");
    new Prepare(spark, Configs.to(local).input(scratch + "/in/rows.jsonl").testRows(50).config())
        .run();
    for (String name : List.of("train_dataset.json", "test_dataset.json")) {
      assertThat(bytes(files, new Path(root, "out/" + name)))
          .as(name)
          .isEqualTo(java.nio.file.Files.readAllBytes(local.resolve(name)));
    }
    ObjectMapper mapper = new ObjectMapper();
    assertThat(mapper.readTree(bytes(files, new Path(root, "out/report.json"))).get("dataset_hash"))
        .isEqualTo(mapper.readTree(local.resolve("report.json").toFile()).get("dataset_hash"));
    packedRowsAreTheSame(spark, root, scratch);
  }

  /** The manifest names every file with its size, and there is no other. */
  private static void complete(FileSystem files, Path out, int trainRows) throws IOException {
    List<String> named = new ArrayList<>();
    byte[] manifest = bytes(files, new Path(out, DatasetManifest.NAME));
    for (JsonNode file : new ObjectMapper().readTree(manifest).get("files")) {
      Path path = new Path(out, file.get("path").asText());
      assertThat(files.getFileStatus(path).getLen()).isEqualTo(file.get("bytes").asLong());
      named.add(file.get("path").asText());
    }
    List<String> found = new ArrayList<>();
    var all = files.listFiles(out, true);
    while (all.hasNext()) {
      found.add(
          all.next()
              .getPath()
              .toString()
              .substring(files.makeQualified(out).toString().length() + 1));
    }
    found.remove(DatasetManifest.NAME);
    assertThat(found).containsExactlyInAnyOrderElementsOf(named);
    String train =
        new String(
            bytes(files, new Path(out, "train_dataset.json")),
            java.nio.charset.StandardCharsets.UTF_8);
    assertThat(train.lines()).hasSize(trainRows);
  }

  private static void packedRowsAreTheSame(
      SparkSession spark, String root, java.nio.file.Path scratch) {
    List<PackedRow> there = packed(spark, root + "/out", root + "/cache", scratch.resolve("a"));
    List<PackedRow> here =
        packed(
            spark,
            scratch.resolve("out").toUri().toString(),
            scratch.resolve("cache").toUri().toString(),
            scratch.resolve("b"));
    assertThat(there).hasSizeGreaterThan(50);
    assertThat(PackedRowTexts.of(here)).isEqualTo(PackedRowTexts.of(there));
  }

  private static List<PackedRow> packed(
      SparkSession spark, String dataset, String cache, java.nio.file.Path copy) {
    TrainingData data =
        new TrainingData(dataset, 1024, true, false, Optional.of("llama3"), Overlong.DROP, false);
    TokenizeRequest request = new TokenizeRequest(data, TinyTokenizer.files(), new Path(cache));
    TokenizedDataset made = new TokenizeJob(spark).run(request);
    assertThat(new TokenizeJob(spark).run(request)).isEqualTo(made);
    try (PackedRowsFile rows =
        PackedRowsFile.copyOf(
            made.path(), "train", new Store(spark.sparkContext().hadoopConfiguration()), copy)) {
      return IntStream.range(0, rows.size()).mapToObj(rows::row).toList();
    }
  }

  /** Parts of these sizes become one file, with the help of so many Spark tasks. */
  static void partsBecomeOneFile(
      SparkSession spark, String root, int helpers, long uploadBytes, int... sizes)
      throws IOException {
    Configuration hadoop = spark.sparkContext().hadoopConfiguration();
    FileSystem files = new Path(root).getFileSystem(hadoop);
    OutputFolder.Parts parts = new OutputFolder.Parts(new Store(hadoop), new Path(root));
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    List<String> names = new ArrayList<>();
    Random random = new Random(1);
    for (int size : sizes) {
      byte[] bytes = new byte[size];
      random.nextBytes(bytes);
      all.write(bytes);
      names.add("parts/part-%05d".formatted(names.size()));
      try (var out = files.create(parts.path(names.get(names.size() - 1)))) {
        out.write(bytes);
      }
    }
    AtomicInteger tasks = new AtomicInteger();
    SparkListener listener =
        new SparkListener() {
          @Override
          public void onTaskEnd(SparkListenerTaskEnd end) {
            tasks.incrementAndGet();
          }
        };
    spark.sparkContext().addSparkListener(listener);
    try {
      new Concatenation(JavaSparkContext.fromSparkContext(spark.sparkContext()), parts, uploadBytes)
          .join("whole", names);
      Awaitility.await().until(() -> tasks.get() == helpers);
    } finally {
      spark.sparkContext().removeSparkListener(listener);
    }
    assertThat(bytes(files, parts.path("whole"))).isEqualTo(all.toByteArray());
  }

  /** Rows of a hub go into a cache on the store, and from there into the job. */
  static void aHubsFilesAreCachedOn(SparkSession spark, String root) {
    try (TestHub hub = TestHub.dataset("owner/rows")) {
      hub.large(
          "rows.jsonl",
          String.join("\n", Rows.sqlLines(300)).getBytes(java.nio.charset.StandardCharsets.UTF_8));
      hub.breaksAfter("rows.jsonl", 2000);
      var hadoop = spark.sparkContext().hadoopConfiguration();
      hadoop.set("finetune.hub.endpoint", hub.endpoint());
      hadoop.set("finetune.hub.cache", root + "/hub");
      Configs configs = Configs.to(java.nio.file.Path.of("unused")).input("hub:owner/rows");
      assertThat(new Prepare(spark, configs.at(root + "/a").config()).run().rows().in())
          .isEqualTo(300);
      hadoop.set("finetune.hub.offline", "true");
      assertThat(new Prepare(spark, configs.at(root + "/b").config()).run().rows().in())
          .isEqualTo(300);
      List.of("endpoint", "cache", "offline").forEach(key -> hadoop.unset("finetune.hub." + key));
    }
  }

  static List<String> namesIn(FileSystem files, Path folder) throws IOException {
    List<String> names = new ArrayList<>();
    for (FileStatus status : files.listStatus(folder)) {
      names.add(status.getPath().getName());
    }
    return names;
  }

  static byte[] bytes(FileSystem files, Path path) throws IOException {
    try (InputStream in = files.open(path)) {
      return in.readAllBytes();
    }
  }
}
