package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalLong;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.spark.train.Contexts;

/** Executors of their own write the recorded bytes, from raw rows to packed ones. */
final class DataPlaneClusterTest {
  /** Compiling code would be most of what executors do that live for seconds. */
  private static final Map<String, String> SHORT_LIVED =
      Map.of(
          "spark.executor.extraJavaOptions",
          "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
          "spark.sql.codegen.wholeStage",
          "false",
          "spark.sql.codegen.factoryMode",
          "NO_CODEGEN",
          "spark.sql.shuffle.partitions",
          "2");

  @TempDir private Path folder;

  @Test
  void two_executors_write_the_recorded_bytes_for_any_number_of_partitions() throws IOException {
    String input = Rows.write(folder.resolve("in/rows.jsonl"), PreparedBytes.input());
    try (JavaSparkContext context = Contexts.twoExecutors(1, SHORT_LIVED)) {
      SparkSession spark = SparkSession.builder().getOrCreate();
      assertThat(spark.sparkContext()).isSameAs(context.sc());
      for (int partitions : new int[] {1, 2, 7, 64}) {
        Path out = folder.resolve("out" + partitions);
        long bytes = Files.size(Path.of(input)) / partitions + 1;
        Configs configs = Configs.to(out).input(input).maxRejected(1);
        new Prepare(spark, configs.config(), OptionalLong.of(bytes)).run();
        PreparedBytes.check(out);
      }
      assertThat(PreparedBytes.packedDigest(spark, folder.resolve("out7"), folder))
          .isEqualTo(PreparedBytes.RECORDED_PACKED);
    }
  }
}
