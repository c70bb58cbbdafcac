package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.testing.SparkSessions;

/**
 * What is no table of Delta or Iceberg must give no version, and no failure. Theirs need their
 * packages: {@code GenuineTablesTest} in {@code test-tables}.
 */
final class TableVersionSparkTest {
  private final SparkSession spark = SparkSessions.shared().newSession();

  @Test
  void a_table_that_keeps_no_states_gives_nothing() {
    spark.range(3).createOrReplaceTempView("plain");
    assertThat(TableVersion.ofTable(spark, "plain")).isEmpty();
    assertThat(TableVersion.ofTable(spark, "none.such.table")).isEmpty();
    assertThat(TableVersion.ofPath(spark, "delta", "/none")).isEmpty();
    assertThat(TableVersion.ofPath(spark, "iceberg", "a.b")).isEmpty();
    assertThat(TableVersion.ofPath(spark, "orc", "/none")).isEmpty();
    assertThat(TableVersion.ofQuery(spark, "SELECT * FROM plain JOIN x.y ON 1 = 1")).isEmpty();
  }

  @Test
  void tables_are_found_by_where_a_query_names_them() {
    assertThat(
            TableVersion.named(
                """
                WITH a AS (select x from c.d.`e-f`) SELECT * FROM a
                left join g.h ON a.x = h.x JOIN c.`d`.`e-f`, (SELECT 1) FROM  range(3)
                CROSS JOIN v VERSION AS OF 3 JOIN s FOR SYSTEM_TIME AS OF '2024-01-01'
                """))
        .isEqualTo(List.of("c.d.`e-f`", "a", "g.h"));
  }

  @Test
  void options_that_pick_a_state_are_known_in_any_case() {
    assertThat(TableVersion.isPickedBy("VersionAsOf")).isTrue();
    assertThat(TableVersion.isPickedBy("snapshot-id")).isTrue();
    assertThat(TableVersion.isPickedBy("mergeSchema")).isFalse();
  }
}
