package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;

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
  static Optional<Condition> some(Table table, Dice dice) {
    List<Column> columns =
        table.descriptions().stream()
            .filter(column -> !(column.kind() instanceof ColumnKind.Label))
            .toList();
    return columns.isEmpty() ? Optional.empty() : Optional.of(on(dice.pick(columns), dice));
  }

  static Condition on(Column column, Dice dice) {
    ColumnKind kind = column.kind();
    if (kind instanceof ColumnKind.Measure measure) {
      return compared(column, measure, dice);
    }
    if (kind instanceof ColumnKind.Category category) {
      return equalTo(column, dice.pick(category.values()), category.clause(), dice);
    }
    return named(column, dice.pick(((ColumnKind.Label) kind).values()), dice);
  }

  static Condition named(Column column, String value, Dice dice) {
    String words =
        column.words().endsWith("name") || column.words().endsWith("title")
            ? dice.pick("called ", "named ") + value
            : "with " + column.words() + " " + value;
    return new Condition(column, "= " + Sql.text(value), words);
  }

  private static Condition equalTo(
      Column column, String value, Optional<String> clause, Dice dice) {
    String words =
        clause.isPresent() && dice.chance(0.7)
            ? clause.get().replace("{}", value)
            : dice.pick("whose " + column.words() + " is ", "with " + column.words() + " ") + value;
    return new Condition(column, "= " + Sql.text(value), words);
  }

  private static Condition compared(Column column, ColumnKind.Measure measure, Dice dice) {
    Comparison comparison = dice.pick(List.of(Comparison.values()));
    String value = measure.draw(dice);
    return new Condition(
        column, comparison.sql + " " + value, words(column, measure, comparison, value, dice));
  }

  private static String words(
      Column column, ColumnKind.Measure measure, Comparison comparison, String value, Dice dice) {
    if (measure instanceof ColumnKind.Year) {
      return "whose " + column.words() + " is " + comparison.inTime(dice) + " " + value;
    }
    if (measure instanceof ColumnKind.Whole whole && whole.unit().isPresent()) {
      return "with " + comparison.ofCounts(dice) + " " + value + " " + whole.unit().get();
    }
    String words = comparison.ofValues(dice) + " " + value;
    return dice.chance(0.5)
        ? "whose " + column.words() + " is " + words
        : "with "
            + English.withArticle(column.words())
            + " "
            + comparison.afterNoun(dice)
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

    String ofCounts(Dice dice) {
      return this == LESS ? dice.pick(counts, "less than") : counts;
    }

    String ofValues(Dice dice) {
      return switch (this) {
        case MORE -> dice.pick(values, "above", "over", "higher than");
        case LESS -> dice.pick(values, "below", "under", "lower than");
        case AT_LEAST, AT_MOST -> values;
      };
    }

    String afterNoun(Dice dice) {
      return switch (this) {
        case MORE -> dice.pick(noun, "over", "greater than");
        case LESS -> dice.pick(noun, "under", "less than");
        case AT_LEAST, AT_MOST -> noun;
      };
    }

    String inTime(Dice dice) {
      return switch (this) {
        case MORE -> dice.pick(time, "later than");
        case LESS -> dice.pick(time, "earlier than");
        case AT_LEAST, AT_MOST -> time;
      };
    }
  }
}
