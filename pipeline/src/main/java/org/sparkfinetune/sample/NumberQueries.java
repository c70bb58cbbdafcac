package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Questions about one table whose answer is a number or two. */
// Formats are picked, and know %s alone.
@SuppressWarnings("DefaultLocale")
final class NumberQueries {
  private NumberQueries() {}

  static Stream<QueryTemplate> all() {
    return Stream.<QueryTemplate.OfTable>of(
            NumberQueries::countAll,
            NumberQueries::countWhere,
            NumberQueries::countWhere,
            NumberQueries::countBoth,
            NumberQueries::countDistinct,
            NumberQueries::aggregate,
            NumberQueries::aggregateWhere,
            NumberQueries::aggregateWhere,
            NumberQueries::lowestAndHighest)
        .map(QueryTemplate.OfTable::anyTable);
  }

  /** The kinds that a very small model can learn. */
  static Stream<QueryTemplate> plain() {
    return Stream.<QueryTemplate.OfTable>of(
            NumberQueries::countAll,
            NumberQueries::countWhere,
            NumberQueries::countDistinct,
            NumberQueries::aggregate,
            NumberQueries::aggregateWhere)
        .map(QueryTemplate.OfTable::anyTable);
  }

  private static Optional<Draft> countAll(Table table, Dice dice) {
    return draft(
        table, English.askHowMany(dice, table.plural()), "SELECT COUNT(*) FROM " + table.name());
  }

  private static Optional<Draft> countWhere(Table table, Dice dice) {
    return Condition.some(table, dice)
        .flatMap(
            condition ->
                draft(
                    table,
                    English.askHowMany(dice, table.plural() + " " + condition.words()),
                    "SELECT COUNT(*) FROM %s WHERE %s".formatted(table.name(), condition.sql(""))));
  }

  private static Optional<Draft> countBoth(Table table, Dice dice) {
    if (table.measures().isEmpty() || table.categories().isEmpty()) {
      return Optional.empty();
    }
    Condition one = Condition.on(dice.pick(table.categories()), dice);
    Condition other = Condition.on(dice.pick(table.measures()), dice);
    return draft(
        table,
        English.askHowMany(dice, table.plural() + " " + one.words() + " and " + other.words()),
        "SELECT COUNT(*) FROM %s WHERE %s AND %s"
            .formatted(table.name(), one.sql(""), other.sql("")));
  }

  private static Optional<Draft> countDistinct(Table table, Dice dice) {
    if (table.categories().isEmpty()) {
      return Optional.empty();
    }
    Column column = dice.pick(table.categories());
    String question =
        dice.pick(
            "How many different %s do the %s have?",
            "Count the distinct %s of the %s.", "What is the number of different %s among the %s?");
    return draft(
        table,
        question.formatted(English.plural(column.words()), table.plural()),
        "SELECT COUNT(DISTINCT %s) FROM %s".formatted(column.name(), table.name()));
  }

  private static Optional<Draft> aggregate(Table table, Dice dice) {
    return Aggregate.any(table, dice)
        .flatMap(
            aggregate ->
                draft(
                    table,
                    English.askForOne(
                        dice,
                        "the "
                            + aggregate.words(dice)
                            + dice.pick(" of all ", " of the ")
                            + table.plural()),
                    "SELECT %s FROM %s".formatted(aggregate.sql(""), table.name())));
  }

  private static Optional<Draft> aggregateWhere(Table table, Dice dice) {
    return Aggregate.any(table, dice)
        .flatMap(
            aggregate ->
                Condition.some(table, dice)
                    .filter(condition -> !condition.column().equals(aggregate.column()))
                    .flatMap(
                        condition ->
                            draft(
                                table,
                                English.askForOne(
                                    dice,
                                    "the %s of %s %s"
                                        .formatted(
                                            aggregate.words(dice),
                                            table.plural(),
                                            condition.words())),
                                "SELECT %s FROM %s WHERE %s"
                                    .formatted(
                                        aggregate.sql(""), table.name(), condition.sql("")))));
  }

  private static Optional<Draft> lowestAndHighest(Table table, Dice dice) {
    if (table.amounts().isEmpty()) {
      return Optional.empty();
    }
    Column column = dice.pick(table.amounts());
    String things =
        dice.pick("the lowest and the highest ", "the minimum and maximum ")
            + column.words()
            + " of the "
            + table.plural();
    return draft(
        table,
        English.askForMany(dice, things),
        "SELECT MIN(%s), MAX(%s) FROM %s".formatted(column.name(), column.name(), table.name()));
  }

  private static Optional<Draft> draft(Table table, String question, String sql) {
    return Optional.of(new Draft(List.of(table), question, sql));
  }
}
