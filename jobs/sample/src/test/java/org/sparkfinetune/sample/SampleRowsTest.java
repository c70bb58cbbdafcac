package org.sparkfinetune.sample;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.sample.SampleRows.Row;
import org.sparkfinetune.sample.Schema.Table;

final class SampleRowsTest {
  private static List<Row> rows;
  private static List<Row> newDatabases;

  @BeforeAll
  static void generate() {
    rows = SampleRows.generate(SampleMaker.SEED);
    newDatabases = SampleRows.ofNewDatabases(SampleMaker.SEED);
  }

  @Test
  void there_are_at_least_2000_rows_over_at_least_40_schemas() {
    assertThat(rows).hasSizeGreaterThanOrEqualTo(2_000);
    assertThat(rows.stream().map(Row::schema).distinct()).hasSizeGreaterThanOrEqualTo(40);
  }

  @Test
  void every_answer_runs_in_sqlite_against_its_context() {
    List<String> failures = new ArrayList<>();
    for (Row row : Stream.concat(rows.stream(), newDatabases.stream()).toList()) {
      try (Connection database = DriverManager.getConnection("jdbc:sqlite::memory:");
          Statement statement = database.createStatement()) {
        for (String table : row.context().split("; ", -1)) {
          statement.execute(table);
        }
        statement.executeQuery(row.answer()).close();
      } catch (SQLException refused) {
        failures.add(row + ": " + refused.getMessage());
      }
    }
    assertThat(failures).isEmpty();
  }

  @Test
  void the_same_seed_gives_the_same_rows_and_another_gives_others() {
    assertThat(SampleRows.generate(SampleMaker.SEED)).isEqualTo(rows);
    assertThat(SampleRows.generate(SampleMaker.SEED + 1)).isNotEqualTo(rows);
  }

  @Test
  void no_question_is_asked_twice_and_no_question_has_two_answers() {
    assertThat(rows.stream().map(Row::question)).doesNotHaveDuplicates();
  }

  @Test
  void the_model_is_trained_on_other_databases_than_it_is_fine_tuned_on() {
    List<Row> pretraining = SampleRows.pretraining(SampleMaker.SEED);
    Set<String> seen = names(pretraining);

    assertThat(seen).hasSize(20).doesNotContainAnyElementsOf(names(newDatabases));
    assertThat(names(newDatabases)).hasSize(10);
    assertThat(pretraining).hasSize(40_000);
    assertThat(newDatabases).hasSize(1_300);
  }

  @Test
  void no_answer_over_the_new_databases_comes_twice() {
    assertThat(newDatabases.stream().map(Row::answer)).doesNotHaveDuplicates();
  }

  private static Set<String> names(List<Row> of) {
    return of.stream().map(Row::schema).collect(Collectors.toSet());
  }

  @Test
  void queries_are_of_many_kinds() {
    assertThat(rows.stream().map(Row::skeleton).distinct()).hasSizeGreaterThan(150);
    assertThat(share(" JOIN ")).isGreaterThan(0.2);
    assertThat(share("GROUP BY")).isGreaterThan(0.1);
    assertThat(share("HAVING")).isGreaterThan(0.02);
    assertThat(share("LIMIT")).isGreaterThan(0.05);
    assertThat(share("(SELECT")).isGreaterThan(0.05);
    assertThat(share("T3")).isGreaterThan(0.03);
    assertThat(share("DISTINCT")).isGreaterThan(0.02);
    assertThat(share("INTERSECT")).isGreaterThan(0.005);
  }

  private static double share(String part) {
    return rows.stream().filter(row -> row.answer().contains(part)).count() / (double) rows.size();
  }

  @Test
  void questions_are_worded_without_slips() {
    assertThat(rows)
        .allSatisfy(
            row ->
                assertThat(row.question())
                    .matches("[A-Z][^{}@_|]*[.?]")
                    .doesNotContain("  ", "null", " a a ", " ,", "Optional"));
  }

  @Test
  void table_names_tell_the_schema() {
    List<String> names =
        SchemaFile.read().stream()
            .flatMap(schema -> schema.tables().stream())
            .map(Table::name)
            .toList();
    assertThat(names).doesNotHaveDuplicates();
  }

  @Test
  void references_are_named_like_the_id_they_hold() {
    assertThat(SchemaFile.read())
        .allSatisfy(
            schema ->
                assertThat(schema.links())
                    .allMatch(link -> link.key().name().equals(link.parent().id().name())));
  }
}
