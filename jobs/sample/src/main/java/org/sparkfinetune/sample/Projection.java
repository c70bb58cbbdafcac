package org.sparkfinetune.sample;

import java.util.List;
import org.sparkfinetune.sample.Schema.Column;
import org.sparkfinetune.sample.Schema.Table;

/** The columns that a question asks for. */
record Projection(List<Column> columns) {

  /**
   * One or two of {@code table}'s columns, most often what its rows are called, never {@code not};
   * its id where nothing else is left.
   */
  static Projection of(Table table, List<Column> not, SeededRandom random) {
    List<Column> choices =
        table.descriptions().stream().filter(column -> !not.contains(column)).toList();
    if (choices.isEmpty()) {
      return new Projection(List.of(table.id()));
    }
    List<Column> label = table.label().filter(choices::contains).stream().toList();
    List<Column> others = choices.stream().filter(column -> !label.contains(column)).toList();
    boolean withLabel = !label.isEmpty() && random.chance(0.75);
    boolean second = random.chance(0.3);
    if (!withLabel) {
      return new Projection(random.sample(choices, second ? 2 : 1));
    }
    return new Projection(
        second && !others.isEmpty() ? List.of(label.get(0), random.pick(others)) : label);
  }

  String sql(String alias) {
    return String.join(", ", columns.stream().map(column -> alias + column.name()).toList());
  }

  /** "title and price". */
  String words() {
    return English.series(columns.stream().map(Column::words).toList(), "and");
  }

  /** "titles and prices". */
  String plural() {
    return English.series(
        columns.stream().map(column -> English.plural(column.words())).toList(), "and");
  }
}
