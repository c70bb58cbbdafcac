package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.testing.SparkSessions;

/** Rows in = train + test + rejected + repeats dropped + not selected, whatever the input. */
final class PrepareCountsSparkTest {
  private final SparkSession spark = SparkSessions.shared();
  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
  void no_row_is_lost(long seed) throws IOException {
    Random random = new Random(seed);
    List<String> lines = new ArrayList<>();
    int good = 0;
    int bad = 0;
    for (int i = 0; i < 50 + random.nextInt(400); i++) {
      switch (random.nextInt(8)) {
        case 0 -> lines.add(random.nextBoolean() ? "" : "   ");
        case 1 -> {
          lines.add(List.of("{", "[]", "{}", "null", "x").get(random.nextInt(5)));
          bad++;
        }
        default -> {
          lines.add(Rows.json(Rows.sql(random.nextInt(200))));
          good++;
        }
      }
    }
    Rows.deal(folder.resolve("in"), lines, 1 + random.nextInt(5));
    Configs configs =
        Configs.to(folder.resolve("out"))
            .input(folder.resolve("in").toString())
            .seed(seed)
            .maxRejected(1);
    configs = random.nextBoolean() ? configs.deduplicate() : configs;
    configs = random.nextBoolean() ? configs.stratifyBy("kind") : configs;
    configs = random.nextBoolean() ? configs.numSamples(30) : configs;
    configs =
        random.nextBoolean()
            ? configs.testFraction(0.9 * random.nextDouble())
            : configs.testRows(random.nextInt(20));
    PrepareReport.Rows rows =
        new Prepare(spark, configs.config(), OptionalLong.of(1000 + random.nextInt(20_000)))
            .run()
            .rows();
    assertThat(rows.in()).isEqualTo(good + bad);
    assertThat(rows.rejected()).isEqualTo(bad);
    assertThat(
            rows.train()
                + rows.test()
                + rows.rejected()
                + rows.repeatsDropped()
                + rows.notSelected())
        .isEqualTo(rows.in());
    assertThat(rows.notSelected()).isNotNegative();
    assertThat(written("train_dataset.json")).isEqualTo(rows.train());
    assertThat(written("test_dataset.json")).isEqualTo(rows.test());
    assertThat(written("rejected/rejected.json")).isEqualTo(rows.rejected());
  }

  private long written(String file) throws IOException {
    return Files.readAllLines(folder.resolve("out").resolve(file)).size();
  }
}
