package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;
import org.sparkfinetune.sample.Schema.Column;
import org.sparkfinetune.sample.Schema.Kind;
import org.sparkfinetune.sample.Schema.Table;

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
    String words(SeededRandom random) {
      return function.word(column, random) + " " + column.words();
    }
  }

  static Optional<Of> any(Table table, SeededRandom random) {
    Aggregate function = random.pick(List.of(AVG, AVG, SUM, MAX, MIN));
    List<Column> columns =
        switch (function) {
          case AVG, SUM -> table.amounts();
          case MAX, MIN -> table.measures();
        };
    return columns.isEmpty()
        ? Optional.empty()
        : Optional.of(new Of(function, random.pick(columns)));
  }

  private String word(Column column, SeededRandom random) {
    boolean year = column.kind() instanceof Kind.Year;
    return switch (this) {
      case AVG -> random.pick("average", "mean");
      case SUM -> random.pick("total", "summed");
      case MAX -> year ? "latest" : random.pick("highest", "maximum");
      case MIN -> year ? "earliest" : random.pick("lowest", "minimum");
    };
  }
}
