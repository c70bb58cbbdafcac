package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;

/**
 * @param people its rows are people, who are spoken of with "who"
 */
record Table(String name, String singular, String plural, boolean people, List<Column> columns) {

  /** Columns that say something about a row: all but its id and its references. */
  List<Column> descriptions() {
    return columns.stream().filter(Column::isDescription).toList();
  }

  Optional<Column> label() {
    return columns.stream().filter(column -> column.kind() instanceof ColumnKind.Label).findFirst();
  }

  List<Column> categories() {
    return columns.stream().filter(column -> column.kind() instanceof ColumnKind.Category).toList();
  }

  List<Column> measures() {
    return columns.stream().filter(column -> column.kind() instanceof ColumnKind.Measure).toList();
  }

  /** Measures that can be added up: years cannot. */
  List<Column> amounts() {
    return measures().stream()
        .filter(column -> !(column.kind() instanceof ColumnKind.Year))
        .toList();
  }

  List<Column> references() {
    return columns.stream()
        .filter(column -> column.kind() instanceof ColumnKind.Reference)
        .toList();
  }

  Column id() {
    return columns.get(0);
  }

  String who() {
    return people ? "who" : "that";
  }
}
