package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;

/** A number computed from a column of many rows. The names are SQL's. */
enum Aggregate {
  AVG,
  SUM,
  MAX,
  MIN;

  /** An aggregate and the column it can be computed of. */
  record Of(Aggregate function, Column column) {
    String sql(String alias) {
      return function + "(" + alias + column.name() + ")";
    }

    /** "average price". */
    String words(Dice dice) {
      return function.word(column, dice) + " " + column.words();
    }
  }

  static Optional<Of> any(Table table, Dice dice) {
    Aggregate function = dice.pick(List.of(AVG, AVG, SUM, MAX, MIN));
    List<Column> columns =
        switch (function) {
          case AVG, SUM -> table.amounts();
          case MAX, MIN -> table.measures();
        };
    return columns.isEmpty() ? Optional.empty() : Optional.of(new Of(function, dice.pick(columns)));
  }

  private String word(Column column, Dice dice) {
    boolean year = column.kind() instanceof ColumnKind.Year;
    return switch (this) {
      case AVG -> dice.pick("average", "mean");
      case SUM -> dice.pick("total", "summed");
      case MAX -> year ? "latest" : dice.pick("highest", "maximum");
      case MIN -> year ? "earliest" : dice.pick("lowest", "minimum");
    };
  }
}
