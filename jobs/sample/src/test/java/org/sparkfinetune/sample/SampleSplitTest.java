package org.sparkfinetune.sample;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.sample.SampleRows.Row;

final class SampleSplitTest {
  private final List<Row> rows = SampleRows.generate(SampleMaker.SEED);

  @Test
  void no_test_row_shares_both_schema_and_skeleton_with_a_training_row() {
    SampleSplit split = SampleSplit.bySchemaAndSkeleton(rows, 300, 7);
    Set<String> trained =
        split.train().stream()
            .map(row -> row.schema() + " " + row.skeleton())
            .collect(Collectors.toSet());

    assertThat(split.test())
        .hasSizeBetween(300, 330)
        .noneMatch(row -> trained.contains(row.schema() + " " + row.skeleton()));
    assertThat(split.train().size() + split.test().size()).isEqualTo(rows.size());
  }

  @Test
  void schemas_can_be_held_out_whole() {
    SampleSplit split = SampleSplit.bySchema(rows, 5, 7);
    Set<String> trained = split.train().stream().map(Row::schema).collect(Collectors.toSet());

    assertThat(split.test()).hasSize(250).noneMatch(row -> trained.contains(row.schema()));
  }

  @Test
  void a_skeleton_keeps_how_a_query_asks_and_drops_what_about() {
    assertThat(
            Sql.skeleton("SELECT T1.title FROM books AS T1 WHERE T1.price > -3.5 AND x = 'it''s'"))
        .isEqualTo("SELECT T1 . _ FROM _ AS T1 WHERE T1 . _ > 0 AND _ = 's'");
  }
}
