package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;
import org.sparkfinetune.sample.Schema.Column;
import org.sparkfinetune.sample.Schema.Kind;
import org.sparkfinetune.sample.Schema.Table;

/**
 * What rows are asked for.
 *
 * @param test what follows the column in SQL
 * @param words what follows the plural or singular noun in English
 */
record Condition(Column column, String test, String words) {

  /**
   * @param alias with its dot, or empty
   */
  String sql(String alias) {
    return alias + column.name() + " " + test;
  }

  /** On any column but a label: few questions name a row outright. */
  static Optional<Condition> some(Table table, SeededRandom random) {
    List<Column> columns =
        table.descriptions().stream()
            .filter(column -> !(column.kind() instanceof Kind.Label))
            .toList();
    return columns.isEmpty() ? Optional.empty() : Optional.of(on(random.pick(columns), random));
  }

  static Condition on(Column column, SeededRandom random) {
    Kind kind = column.kind();
    if (kind instanceof Kind.Measure measure) {
      return compared(column, measure, random);
    }
    if (kind instanceof Kind.Category category) {
      return equalTo(column, random.pick(category.values()), category.clause(), random);
    }
    return named(column, random.pick(((Kind.Label) kind).values()), random);
  }

  static Condition named(Column column, String value, SeededRandom random) {
    String words =
        column.words().endsWith("name") || column.words().endsWith("title")
            ? random.pick("called ", "named ") + value
            : "with " + column.words() + " " + value;
    return new Condition(column, "= " + Sql.text(value), words);
  }

  private static Condition equalTo(
      Column column, String value, Optional<String> clause, SeededRandom random) {
    String words =
        clause.isPresent() && random.chance(0.7)
            ? clause.get().replace("{}", value)
            : random.pick("whose " + column.words() + " is ", "with " + column.words() + " ")
                + value;
    return new Condition(column, "= " + Sql.text(value), words);
  }

  private static Condition compared(Column column, Kind.Measure measure, SeededRandom random) {
    Comparison comparison = random.pick(List.of(Comparison.values()));
    String value = measure.draw(random);
    return new Condition(
        column, comparison.sql + " " + value, words(column, measure, comparison, value, random));
  }

  private static String words(
      Column column,
      Kind.Measure measure,
      Comparison comparison,
      String value,
      SeededRandom random) {
    if (measure instanceof Kind.Year) {
      return "whose " + column.words() + " is " + comparison.inTime(random) + " " + value;
    }
    if (measure instanceof Kind.Whole whole && whole.unit().isPresent()) {
      return "with " + comparison.ofCounts(random) + " " + value + " " + whole.unit().get();
    }
    String words = comparison.ofValues(random) + " " + value;
    return random.chance(0.5)
        ? "whose " + column.words() + " is " + words
        : "with "
            + English.withArticle(column.words())
            + " "
            + comparison.afterNoun(random)
            + " "
            + value;
  }

  /** Every word here means one operator only. */
  enum Comparison {
    MORE(">", "more than", "greater than", "above", "after"),
    LESS("<", "fewer than", "less than", "below", "before"),
    AT_LEAST(">=", "at least", "at least", "of at least", "in or after"),
    AT_MOST("<=", "at most", "at most", "of at most", "in or before");

    final String sql;
    private final String counts;
    private final String values;
    private final String noun;
    private final String time;

    Comparison(String sql, String counts, String values, String noun, String time) {
      this.sql = sql;
      this.counts = counts;
      this.values = values;
      this.noun = noun;
      this.time = time;
    }

    String ofCounts(SeededRandom random) {
      return this == LESS ? random.pick(counts, "less than") : counts;
    }

    String ofValues(SeededRandom random) {
      return switch (this) {
        case MORE -> random.pick(values, "above", "over", "higher than");
        case LESS -> random.pick(values, "below", "under", "lower than");
        case AT_LEAST, AT_MOST -> values;
      };
    }

    String afterNoun(SeededRandom random) {
      return switch (this) {
        case MORE -> random.pick(noun, "over", "greater than");
        case LESS -> random.pick(noun, "under", "less than");
        case AT_LEAST, AT_MOST -> noun;
      };
    }

    String inTime(SeededRandom random) {
      return switch (this) {
        case MORE -> random.pick(time, "later than");
        case LESS -> random.pick(time, "earlier than");
        case AT_LEAST, AT_MOST -> time;
      };
    }
  }
}
