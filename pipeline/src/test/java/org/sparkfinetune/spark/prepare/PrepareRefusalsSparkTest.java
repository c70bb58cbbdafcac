package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.spark.prepare.Preparing.lines;
import static org.sparkfinetune.spark.prepare.Preparing.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.testing.SparkSessions;

/** What prepare does not take, and what it says then; nothing is left behind. */
final class PrepareRefusalsSparkTest {
  private final SparkSession spark = SparkSessions.shared();
  @TempDir private Path folder;

  private Path output() {
    return folder.resolve("out");
  }

  private String rows(int count) throws IOException {
    return Rows.write(folder.resolve("in/rows.jsonl"), Rows.sqlLines(count));
  }

  @Test
  void parquet_of_other_types_is_rejected_not_coerced() throws IOException {
    Rows.write(folder.resolve("in/rows.jsonl"), Rows.sqlLines(4));
    String parquet = folder.resolve("p").toString();
    spark
        .read()
        .json(folder.resolve("in/rows.jsonl").toString())
        .selectExpr("question", "context", "length(answer) as answer")
        .write()
        .parquet(parquet);
    assertThatThrownBy(() -> run(Configs.to(output()).input(parquet)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("4 of 4 rows (100.00 %)")
        .hasMessageContaining("4 x wrong type")
        .hasMessageContaining("answer is of type number");
  }

  @Test
  void a_file_that_is_no_parquet_is_named() throws IOException {
    Files.writeString(folder.resolve("rows.parquet"), "PAR1 but not really");
    assertThatThrownBy(
            () -> run(Configs.to(output()).input(folder.resolve("rows.parquet").toString())))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("rows.parquet");
    assertThat(folder).isDirectoryNotContaining(path -> path.toString().contains("_preparing"));
  }

  @Test
  void a_pointer_of_git_lfs_is_called_so() throws IOException {
    Path pointer = Path.of("src", "test", "resources", "cases", "lfs-pointer.safetensors");
    for (String name : List.of("rows.parquet", "rows.jsonl", "rows.csv.zst")) {
      Path file = Files.copy(pointer, folder.resolve(name));
      assertThatThrownBy(() -> run(Configs.to(output()).input(file.toString())))
          .isInstanceOf(UserError.class)
          .hasMessageContaining(name)
          .hasMessageContaining(
              "is a Git LFS pointer, not the file. Fetch the file itself: git lfs");
    }
  }

  @Test
  void too_many_rejections_fail_with_the_three_commonest_reasons_and_leave_nothing()
      throws IOException {
    List<String> lines = new ArrayList<>(Rows.sqlLines(90));
    for (int i = 0; i < 4; i++) {
      lines.add("[]");
      lines.add("{\"question\": \"only\"}");
      lines.add("{");
    }
    lines.add("{}");
    lines.add("{}");
    lines.add("{\"question\": 1, \"context\": \"\", \"answer\": \"\"}");
    String input = Rows.write(folder.resolve("in/rows.jsonl"), lines);
    assertThatThrownBy(() -> run(Configs.to(output()).input(input)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("15 of 105 rows (14.29 %)")
        .hasMessageContaining("1.00 % are allowed")
        .hasMessageContaining("6 x missing column. The first: file:")
        .hasMessageContaining("rows.jsonl row 92: context is missing; there is question")
        .hasMessageContaining("4 x not valid JSON")
        .hasMessageContaining("4 x not a JSON object")
        .hasMessageNotContaining("wrong type");
    assertThat(folder).isDirectoryNotContaining(path -> !path.endsWith("in"));
  }

  @Test
  void an_output_that_is_there_is_replaced_only_when_asked_and_only_if_prepare_wrote_it()
      throws IOException {
    String input = rows(20);
    Files.createDirectories(output());
    run(Configs.to(output()).input(input));
    assertThatThrownBy(() -> run(Configs.to(output()).input(input)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("is there already")
        .hasMessageContaining("overwrite: true");
    assertThat(run(Configs.to(output()).input(input).testRows(3).overwrite()).rows().test())
        .isEqualTo(3);
    assertThat(lines(output().resolve("test_dataset.json"))).hasSize(3);
    assertThat(folder)
        .isDirectoryNotContaining(path -> path.getFileName().toString().startsWith("_"));
    assertThatThrownBy(() -> run(Configs.to(folder.resolve("in")).input(rows(20)).overwrite()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("holds the input");
    Files.writeString(Files.createDirectories(folder.resolve("diary")).resolve("1"), "dear");
    assertThatThrownBy(() -> run(Configs.to(folder.resolve("diary")).input(input).overwrite()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("was not written by prepare");
    assertThat(folder.resolve("diary/1")).exists();
  }

  @Test
  void what_cannot_be_taken_or_split_is_said() throws IOException {
    String input = rows(20);
    assertThatThrownBy(() -> run(Configs.to(output()).input(input).numSamples(21)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("num_samples: 21 rows wanted, but the input has 20");
    assertThatThrownBy(() -> run(Configs.to(output()).input(input).testRows(20)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("test_size: 20 of 20 rows");
    assertThatThrownBy(() -> run(Configs.to(output()).input(folder + "/none*.jsonl")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("matches no file");
    Files.writeString(folder.resolve("rows.txt"), "x");
    assertThatThrownBy(() -> run(Configs.to(output()).input(folder + "/rows.txt")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("cannot tell the format")
        .hasMessageContaining(".parquet");
    Files.writeString(folder.resolve("empty.jsonl"), "\n\n");
    assertThatThrownBy(() -> run(Configs.to(output()).input(folder + "/empty.jsonl")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("no rows in");
    assertThatThrownBy(() -> run(Configs.to(output()).input(input).stratifyBy("colour")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("colour, which stratify_by names");
  }
}
