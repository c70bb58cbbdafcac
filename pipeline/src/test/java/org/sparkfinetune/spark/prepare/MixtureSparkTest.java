package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.spark.prepare.Preparing.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.RowOrigin;
import org.sparkfinetune.spark.prepare.PrepareReport.SourceRows;
import org.sparkfinetune.testing.SparkSessions;

/** Several inputs with weights, and where each conversation is from. */
final class MixtureSparkTest {
  @TempDir private Path folder;

  private void questions(int rows) throws IOException {
    Rows.write(
        folder.resolve("questions.jsonl"),
        IntStream.range(0, rows)
            .mapToObj("{\"prompt\": \"How many %1$d?\", \"completion\": \"%1$d\"}"::formatted)
            .toList());
  }

  private void sql(int rows) throws IOException {
    Rows.write(folder.resolve("sql.jsonl"), Rows.sqlLines(rows));
  }

  private PrepareConfig config(String yaml) throws IOException {
    Path file = Files.writeString(folder.resolve("mix.yaml"), yaml);
    return new ConfigLoader(new Configuration())
        .prepare(Optional.of(file.toString()), List.of("--output", folder.resolve("out") + ""))
        .config();
  }

  private PrepareReport prepare(String yaml) throws IOException {
    return new Prepare(SparkSessions.shared(), config(yaml)).run();
  }

  private String two(String first, String second) {
    return """
        sources:
          - {name: sql, dataset: sql-create-context, input: %s/sql.jsonl%s}
          - {name: faq, dataset: instruction, input: %s/questions.jsonl%s}
        overwrite: true
        """
        .formatted(folder, first, folder, second);
  }

  private Map<String, Long> bySource(String split) {
    Map<String, Long> rows = new TreeMap<>();
    for (Row row :
        SparkSessions.shared()
            .read()
            .parquet(folder.resolve("out/" + split).toString())
            .groupBy("source")
            .count()
            .collectAsList()) {
      rows.put(row.getString(0), row.getLong(1));
    }
    return rows;
  }

  @Test
  void a_mixture_by_weights_is_the_largest_that_takes_no_row_twice() throws IOException {
    sql(30);
    questions(200);
    PrepareReport report = prepare(two(", weight: 0.3", ", weight: 0.7"));
    assertThat(report.sources())
        .containsExactly(
            new SourceRows("sql", "sql-create-context", 30, 24, 6),
            new SourceRows("faq", "instruction", 200, 56, 14));
    assertThat(bySource("train")).isEqualTo(Map.of("sql", 24L, "faq", 56L));
    assertThat(bySource("test")).isEqualTo(Map.of("sql", 6L, "faq", 14L));
    assertThat(report.rows().notSelected()).isEqualTo(130);
    assertThat(folder.resolve("out/report.html")).content().contains("<h2>Sources</h2>");
  }

  @Test
  void num_samples_is_shared_by_weight_and_a_source_without_one_gives_all() throws IOException {
    sql(30);
    questions(200);
    assertThat(prepare(two("", ", weight: 2") + "num_samples: 90").sources())
        .containsExactly(
            new SourceRows("sql", "sql-create-context", 30, 24, 6),
            new SourceRows("faq", "instruction", 200, 48, 12));
    assertThat(prepare(two("", ", num_samples: 50")).sources())
        .containsExactly(
            new SourceRows("sql", "sql-create-context", 30, 24, 6),
            new SourceRows("faq", "instruction", 200, 40, 10));
    assertThat(prepare(two("", "") + "num_samples: 46").sources())
        .as("in proportion to the rows")
        .extracting(source -> source.train() + source.test())
        .containsExactly(6L, 40L);
  }

  @Test
  void the_rows_of_a_source_are_those_that_it_gives_alone() throws IOException {
    sql(40);
    questions(60);
    prepare(two(", num_samples: 20", ""));
    List<Row> mixed = texts("out/train", "out/test");
    run(
        Configs.to(folder.resolve("alone"))
            .input(folder.resolve("sql.jsonl").toString())
            .numSamples(20));
    assertThat(mixed).containsAll(texts("alone/train", "alone/test"));
    assertThat(mixed).hasSize(80);
  }

  private List<Row> texts(String... splits) {
    return SparkSessions.shared()
        .read()
        .parquet(List.of(splits).stream().map(s -> folder.resolve(s) + "").toArray(String[]::new))
        .select("id", "messages")
        .collectAsList();
  }

  @Test
  void too_few_rows_are_refused_with_the_most_that_can_be_mixed() throws IOException {
    sql(30);
    questions(200);
    assertThatThrownBy(() -> prepare(two(", weight: 0.3", ", weight: 0.7") + "num_samples: 101"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("num_samples: 101 rows wanted")
        .hasMessageContaining("0 to 100 can be mixed");
    assertThatThrownBy(() -> prepare(two(", num_samples: 31", "")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("num_samples of sql is 31, but it has 30 rows");
    assertThatThrownBy(
            () -> prepare(two(", num_samples: 3", ", num_samples: 4") + "num_samples: 8"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("the sources give 7 by their own num_samples");
    assertThat(folder.resolve("out")).doesNotExist();
  }

  @Test
  void rows_that_cannot_be_taken_name_their_source() throws IOException {
    sql(5);
    questions(5);
    String wrong = two("", "").replace("dataset: instruction", "dataset: alpaca");
    assertThatThrownBy(() -> prepare(wrong + "max_rejected: 1"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("input of the source faq: none of the 5 rows could be taken");
    Files.writeString(folder.resolve("questions.jsonl"), "");
    assertThatThrownBy(() -> prepare(two("", "")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("input of the source faq: no rows in ");
  }

  @Test
  void each_conversation_is_traced_to_its_file_and_row() throws IOException {
    sql(6);
    questions(10);
    Files.writeString(
        folder.resolve("questions.jsonl"),
        "not json\n" + Files.readString(folder.resolve("questions.jsonl")));
    prepare(two("", "") + "max_rejected: 0.5");
    List<String> lines = Files.readAllLines(folder.resolve("questions.jsonl"));
    Map<String, String> answers = new TreeMap<>();
    for (String split : List.of("train", "test")) {
      SparkSessions.shared()
          .read()
          .parquet(folder.resolve("out/" + split).toString())
          .where("source = 'faq'")
          .selectExpr("id", "messages[1].content")
          .collectAsList()
          .forEach(row -> answers.put(row.getString(0), row.getString(1)));
    }
    List<Row> origins =
        SparkSessions.shared()
            .read()
            .parquet(folder.resolve("out/provenance").toString())
            .where("source = 'faq'")
            .select(RowOrigin.ID, RowOrigin.FILE, RowOrigin.ROW)
            .collectAsList();
    assertThat(origins).hasSize(10);
    for (Row origin : origins) {
      assertThat(origin.getString(1)).endsWith("/questions.jsonl");
      assertThat(lines.get((int) origin.getLong(2) - 1))
          .contains("\"completion\": \"%s\"".formatted(answers.get(origin.getString(0))));
    }
  }

  @Test
  void json_lines_say_their_source_too() throws IOException {
    sql(5);
    questions(5);
    prepare(two("", "") + "test_size: 0");
    for (String line : Files.readAllLines(folder.resolve("out/train_dataset.json"))) {
      JsonNode row = new ObjectMapper().readTree(line);
      assertThat(row.path("source").asText())
          .isEqualTo(row.path("messages").size() == 3 ? "sql" : "faq");
    }
  }
}
