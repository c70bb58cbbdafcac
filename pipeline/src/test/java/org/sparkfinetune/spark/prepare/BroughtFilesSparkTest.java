package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.spark.prepare.Preparing.lines;
import static org.sparkfinetune.spark.prepare.Preparing.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;
import org.sparkfinetune.errors.UserError;

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

  private Path write(String name) throws IOException {
    Path file = folder.resolve("in").resolve(name);
    Files.createDirectories(file.getParent());
    String row = "{\"prompt\": \"%s\", \"completion\": \"c\"}%n".formatted(name);
    return Files.writeString(file, name.endsWith("l") ? row : name);
  }

  @Test
  void what_is_no_data_in_a_folder_or_behind_a_glob_is_left_out_and_said() throws Exception {
    for (String name :
        List.of(
            "a.jsonl",
            "more/b.jsonl",
            "README.md",
            "LICENSE",
            ".gitattributes",
            "more/picture.png",
            "dataset_infos.json")) {
      write(name);
    }
    for (String input : List.of("in", "in/*")) {
      Configs configs = of(folder.resolve(input).toString()).dataset(DatasetKind.INSTRUCTION);
      PrepareReport report = run(configs.overwrite());
      assertThat(report.rows().train()).as(input).isEqualTo(2);
      assertThat(report.notes())
          .anySatisfy(
              note ->
                  assertThat(note)
                      .startsWith("input: no data by their names, so left out: ")
                      .contains("README.md", "LICENSE", "more/picture.png", "dataset_infos.json"));
    }
    assertThatThrownBy(() -> run(of(folder.resolve("in/*E*").toString()).overwrite()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("holds no data, only ")
        .hasMessageContaining("LICENSE")
        .hasMessageContaining("Allowed endings: .json,");
    assertThatThrownBy(() -> run(of(folder.resolve("in/README.md").toString()).overwrite()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("cannot tell the format");
  }

  @Test
  void names_with_a_colon_are_read_and_stop_no_glob() throws Exception {
    for (String name : List.of("a:b.jsonl", "c.jsonl", "2024:01/d.jsonl", "2024:01/e:f.jsonl")) {
      write(name);
    }
    Map<String, Integer> rows =
        Map.of(
            "in",
            4,
            "in/a:b.jsonl",
            1,
            "in/*.jsonl",
            2,
            "in/*/*.jsonl",
            2,
            "in/2024:*/e*",
            1,
            "in/2024:01",
            2,
            "in/*1/{d,x}.jsonl",
            1);
    for (Map.Entry<String, Integer> expected : rows.entrySet()) {
      Configs configs = of(folder + "/" + expected.getKey()).dataset(DatasetKind.INSTRUCTION);
      assertThat(run(configs.overwrite()).rows().train())
          .as(expected.getKey())
          .isEqualTo(expected.getValue().longValue());
    }
    assertThatThrownBy(() -> run(of("a:b.jsonl").overwrite()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("input: a:b.jsonl matches no file");
    Files.writeString(folder.resolve("g:h.parquet"), "PAR1");
    assertThatThrownBy(() -> run(of(folder.resolve("g:h.parquet").toString()).overwrite()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("g:h.parquet has a colon in its name")
        .hasMessageContaining("Rename it");
  }
}
