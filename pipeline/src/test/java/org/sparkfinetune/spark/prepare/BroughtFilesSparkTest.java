package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.sparkfinetune.spark.prepare.Preparing.lines;
import static org.sparkfinetune.spark.prepare.Preparing.run;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.CsvFormat;

/** Files and folders as people bring them. */
final class BroughtFilesSparkTest {
  private static final Path CASES = Path.of("src", "test", "resources", "cases");

  @TempDir private Path folder;

  private Configs of(String input) {
    return Configs.to(folder.resolve("out")).input(input).testRows(0);
  }

  @Test
  void csv_with_semicolons_gives_its_row() throws Exception {
    CsvFormat semicolons = new CsvFormat(";", "\"", "\"");
    PrepareReport report = run(of(CASES.resolve("semicolon.csv").toString()).csv(semicolons));
    assertThat(report.rows().train()).isEqualTo(1);
    assertThat(lines(folder.resolve("out/train_dataset.json")))
        .singleElement()
        .asString()
        .contains("How many; really?", "SELECT COUNT(*) FROM a");
  }
}
