package org.sparkfinetune.spark.prepare;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.commons.codec.digest.DigestUtils;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.config.TrainingData.Objective;
import org.sparkfinetune.config.TrainingData.Overlong;
import org.sparkfinetune.data.tokenize.PackedRowTexts;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.data.tokenize.PackedRowsFile;
import org.sparkfinetune.data.tokenize.TinyTokenizer;
import org.sparkfinetune.spark.dataset.DatasetManifest;
import org.sparkfinetune.spark.tokenize.TokenizeJob;
import org.sparkfinetune.spark.tokenize.TokenizeJob.TokenizeRequest;
import org.sparkfinetune.spark.tokenize.TokenizedDataset;

/**
 * One input and the recorded digests of what comes of it, which every partitioning, cluster and
 * Java has to reach: {@code mvn -Pspark-4 test -Dtest=PrepareSparkTest} does so with another Spark.
 * Where a change of the bytes is meant, the failing test says the new digest.
 */
final class PreparedBytes {
  private static final String RECORDED =
      "ff1b078edabadb7f9259c6ca1fe4fc43f7646ab2ca10896827d456eacfa08bca";

  /** Of the rows of 1,024 tokens that the training split becomes. */
  static final String RECORDED_PACKED =
      "6e2705a1d3bc27a40326a36e9a3e0e04b46ba50ddbde2d85b14961d0afa14a40";

  private PreparedBytes() {}

  /** 2,000 rows, and 20 that are none. */
  static List<String> input() {
    List<String> lines = new ArrayList<>(Rows.sqlLines(2000));
    for (int i = 0; i < 20; i++) {
      lines.add(97 * i, "not json " + i);
    }
    return lines;
  }

  /**
   * Looks at the names of all files but the manifest, at the bytes of all texts but the report,
   * which name folder and time, and at the data set hash, which stands for the rows of Parquet.
   */
  static void check(Path out) throws IOException {
    StringBuilder all = new StringBuilder();
    try (Stream<Path> files = Files.walk(out)) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        String name = out.relativize(file).toString();
        if (!name.startsWith("report") && !name.equals(DatasetManifest.NAME)) {
          String bytes = name.endsWith(".parquet") ? "" : DigestUtils.sha256Hex(bytes(name, file));
          all.append(name).append(' ').append(bytes).append('\n');
        }
      }
    }
    all.append(datasetHash(out));
    assertThat(DigestUtils.sha256Hex(all.toString())).as("of%n%s", all).isEqualTo(RECORDED);
  }

  static String datasetHash(Path out) throws IOException {
    return new ObjectMapper()
        .readTree(out.resolve("report.json").toFile())
        .get("dataset_hash")
        .asText();
  }

  /** Rejections name the folder of their file, which is another in every test. */
  private static byte[] bytes(String name, Path file) throws IOException {
    return name.startsWith("rejected")
        ? Files.readString(file).replaceAll("\"file\":\"[^\"]*/", "\"file\":\"").getBytes(UTF_8)
        : Files.readAllBytes(file);
  }

  /**
   * @param scratch holds what is made on the way
   */
  static String packedDigest(SparkSession spark, Path dataset, Path scratch) {
    Path cache = scratch.resolve("cache");
    TrainingData data =
        new TrainingData(
            dataset.toString(),
            1024,
            true,
            false,
            Optional.of("llama3"),
            Overlong.DROP,
            false,
            Objective.SFT);
    TokenizedDataset tokenized =
        new TokenizeJob(spark)
            .run(
                new TokenizeRequest(
                    data, TinyTokenizer.files(), new org.apache.hadoop.fs.Path(cache.toUri())));
    Configuration hadoop = spark.sparkContext().hadoopConfiguration();
    try (PackedRowsFile rows =
        PackedRowsFile.copyOf(
            tokenized.path(),
            "train",
            new org.sparkfinetune.store.Store(hadoop),
            scratch.resolve("copy"))) {
      List<PackedRow> all = IntStream.range(0, rows.size()).mapToObj(rows::row).toList();
      return DigestUtils.sha256Hex(String.join("\n", PackedRowTexts.of(all)));
    }
  }
}
