package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.testing.SparkSessions;

final class TableSizeSparkTest {
  private static final long MIB = 1L << 20;

  private final SparkSession spark = SparkSessions.shared().newSession();
  @TempDir private Path folder;

  private long of(String sql) {
    return TableSize.of(spark.sql(sql));
  }

  @Test
  void files_count_with_their_bytes_and_a_join_with_the_sum() throws IOException {
    Path file = folder.resolve("rows.csv");
    Files.writeString(file, "0123456789abcde\n".repeat((int) (3 * MIB / 16)));
    spark.read().csv(file.toString()).createOrReplaceTempView("files");
    assertThat(of("SELECT * FROM files")).isEqualTo(3 * MIB);
    assertThat(of("SELECT a._c0 FROM files a CROSS JOIN files b")).isEqualTo(6 * MIB);
    assertThat(of("SELECT 'a'")).isEqualTo(MIB);
  }

  @Test
  void what_spark_knows_nothing_about_has_a_size_all_the_same_unless_spark_is_told_one()
      throws IOException {
    Map<String, String> options =
        Map.of("url", "jdbc:sqlite:" + folder.resolve("rows.db"), "query", "SELECT 'a' AS answer");
    spark.read().format("jdbc").options(options).load().createOrReplaceTempView("rows");
    assertThat(of("SELECT * FROM rows")).isEqualTo(256 * MIB);
    spark.conf().set("spark.sql.defaultSizeInBytes", 5 * MIB);
    assertThat(of("SELECT upper(answer) FROM rows")).isEqualTo(5 * MIB);
    spark.conf().set("spark.sql.defaultSizeInBytes", Long.MAX_VALUE - 1);
    assertThat(of("SELECT * FROM rows")).isEqualTo(1L << 50);
  }
}
