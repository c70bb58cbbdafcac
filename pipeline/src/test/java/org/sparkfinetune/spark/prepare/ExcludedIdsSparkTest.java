package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.spark.prepare.Preparing.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.testing.SparkSessions;

/** Conversations that are left out by their ids. */
final class ExcludedIdsSparkTest {
  @TempDir private Path folder;

  private Configs to(String name, List<String> lines) throws IOException {
    return Configs.to(folder.resolve(name))
        .input(Rows.write(folder.resolve(name + ".jsonl"), lines));
  }

  private List<String> ids(String name, String answer) {
    return SparkSessions.shared()
        .read()
        .parquet(folder.resolve(name + "/train").toString(), folder.resolve(name + "/test") + "")
        .where("messages[2].content = '%s'".formatted(answer))
        .select("id")
        .collectAsList()
        .stream()
        .map(row -> row.getString(0))
        .sorted()
        .toList();
  }

  @Test
  void the_data_set_is_that_of_an_input_without_them() throws IOException {
    List<String> lines = new ArrayList<>(Rows.sqlLines(30));
    lines.addAll(Rows.sqlLines(2));
    run(to("all", lines));
    List<String> twice = ids("all", "SELECT COUNT(*) FROM t1");
    String once = ids("all", "SELECT COUNT(*) FROM t7").get(0);
    assertThat(twice).hasSize(2).last().asString().endsWith("-2");
    Path list = Files.writeString(folder.resolve("ids.txt"), "\n%s\r\n".formatted(once));
    String unknown = "00000000000000000000";

    PrepareReport report =
        run(to("some", lines).excludeIds(twice.get(1), list.toString(), unknown));

    lines.removeIf(line -> line.contains("FROM t1\"") || line.contains("FROM t7\""));
    assertThat(report.datasetHash()).isEqualTo(run(to("without", lines)).datasetHash());
    assertThat(report.rows()).isEqualTo(new PrepareReport.Rows(32, 23, 6, 0, 0, 0, 3));
    assertThat(report.notes())
        .contains("1 of the 3 id(s) of exclude_ids are no row's, as %s.".formatted(unknown));
    assertThat(folder.resolve("some/report.json")).content().contains("\"excluded\" : 3");
    assertThat(folder.resolve("some/report.html")).content().contains("left out by exclude_ids");
  }

  @Test
  void what_is_neither_id_nor_file_is_named() throws IOException {
    List<String> lines = Rows.sqlLines(3);
    assertThatThrownBy(() -> run(to("out", lines).excludeIds("abc")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("exclude_ids: abc is no id (20 hexadecimal digits)");
    Path list = Files.writeString(folder.resolve("ids.csv"), "id\n");
    assertThatThrownBy(() -> run(to("out", lines).excludeIds(list.toString())))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("ids.csv line 1 is no id: id. Write one id a line");
    assertThat(folder.resolve("out")).doesNotExist();
  }

  @Test
  void leaving_out_everything_is_an_error_that_says_so() throws IOException {
    List<String> line = Rows.sqlLines(1);
    run(to("one", line).testRows(0));
    String id = ids("one", "SELECT COUNT(*) FROM t0").get(0);
    assertThatThrownBy(() -> run(to("none", line).testRows(0).excludeIds(id)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("none of the 1 rows could be taken; exclude_ids leaves out 1");
  }
}
