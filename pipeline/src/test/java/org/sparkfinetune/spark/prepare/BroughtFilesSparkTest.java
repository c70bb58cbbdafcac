package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.sparkfinetune.spark.prepare.Preparing.lines;
import static org.sparkfinetune.spark.prepare.Preparing.run;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;

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

  @Test
  void objects_over_many_lines_give_their_conversations() throws Exception {
    String pretty = CASES.resolve("pretty.json").toString();
    PrepareReport report = run(of(pretty).dataset(DatasetKind.MESSAGES));
    assertThat(report.rows().train()).isEqualTo(2);
    assertThat(lines(folder.resolve("out/train_dataset.json")))
        .hasSize(2)
        .allMatch(l -> l.contains("\"q"));
  }

  @Test
  void a_large_file_of_objects_over_many_lines_is_not_split() throws Exception {
    String object = "{\n  \"prompt\": \"%s\",\n  \"completion\": \"%d\"\n}\n";
    StringBuilder text = new StringBuilder();
    IntStream.range(0, 30).forEach(i -> text.append(object.formatted("x".repeat(100_000), i)));
    Path file = Files.writeString(folder.resolve("large.json"), text);
    PrepareReport report = run(of(file.toString()).dataset(DatasetKind.INSTRUCTION));
    assertThat(report.rows().train()).isEqualTo(30);
  }

  @Test
  void lone_carriage_returns_within_json_are_white_space() throws Exception {
    String array = "\r[{\"prompt\": \"p\",\r\"completion\": \"c\"},\r{\"prompt\": 1}\r]\r";
    Path file = Files.writeString(folder.resolve("array.json"), array);
    Path object =
        Files.writeString(
            folder.resolve("o.json"), "\r{\r\"prompt\": \"p\",\r\"completion\": \"c\"\r}\r");
    Configs both =
        Configs.to(folder.resolve("out")).input(file.toString(), object.toString()).testRows(0);
    PrepareReport report = run(both.dataset(DatasetKind.INSTRUCTION).maxRejected(0.5));
    assertThat(report.rows().train()).isEqualTo(2);
    assertThat(report.rows().rejected()).isEqualTo(1);
  }
}
