package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Questions about the groups that a column makes of one table. */
// Formats are picked, and know %s alone.
@SuppressWarnings("DefaultLocale")
final class GroupQueries {
  private GroupQueries() {}

  static Stream<QueryTemplate> all() {
    return Stream.<QueryTemplate.OfTable>of(
            GroupQueries::count,
            GroupQueries::countWhere,
            GroupQueries::countOrdered,
            GroupQueries::aggregate,
            GroupQueries::aggregate,
            GroupQueries::aggregateOrdered,
            GroupQueries::havingCount,
            GroupQueries::havingAggregate,
            GroupQueries::mostCommon)
        .map(ofGroups -> onlyWithCategories(ofGroups).anyTable());
  }

  /** The kind that a very small model can learn. */
  static Stream<QueryTemplate> plain() {
    return Stream.of(onlyWithCategories(GroupQueries::count).anyTable());
  }

  private static QueryTemplate.OfTable onlyWithCategories(QueryTemplate.OfTable template) {
    return (table, dice) ->
        table.categories().isEmpty() ? Optional.empty() : template.draft(table, dice);
  }

  private static Optional<Draft> count(Table table, Dice dice) {
    Column by = dice.pick(table.categories());
    return draft(
        table,
        dice.pick(
                "How many %2$s are there for each %1$s? Show the %1$s and the number of %2$s.",
                "For each %1$s, show the %1$s and the number of %2$s.",
                "Count the %2$s of every %1$s, giving the %1$s too.",
                "List each %1$s with the number of its %2$s.")
            .formatted(by.words(), table.plural()),
        "SELECT %1$s, COUNT(*) FROM %2$s GROUP BY %1$s".formatted(by.name(), table.name()));
  }

  private static Optional<Draft> countWhere(Table table, Dice dice) {
    if (table.measures().isEmpty()) {
      return Optional.empty();
    }
    Column by = dice.pick(table.categories());
    Condition condition = Condition.on(dice.pick(table.measures()), dice);
    return draft(
        table,
        dice.pick(
                "For each %1$s, show the %1$s and the number of %2$s %3$s.",
                "Count the %2$s %3$s per %1$s, giving the %1$s too.")
            .formatted(by.words(), table.plural(), condition.words()),
        "SELECT %1$s, COUNT(*) FROM %2$s WHERE %3$s GROUP BY %1$s"
            .formatted(by.name(), table.name(), condition.sql("")));
  }

  private static Optional<Draft> countOrdered(Table table, Dice dice) {
    Column by = dice.pick(table.categories());
    Direction direction = Direction.any(dice);
    String order =
        switch (direction) {
          case ASC -> dice.pick("from the fewest to the most", "fewest first");
          case DESC -> dice.pick("from the most to the fewest", "most first");
        };
    return draft(
        table,
        "%s each %s and its number of %s, %s."
            .formatted(dice.pick("Show", "List", "Give"), by.words(), table.plural(), order),
        "SELECT %1$s, COUNT(*) FROM %2$s GROUP BY %1$s ORDER BY COUNT(*) %3$s"
            .formatted(by.name(), table.name(), direction));
  }

  private static Optional<Draft> aggregate(Table table, Dice dice) {
    Column by = dice.pick(table.categories());
    return Aggregate.any(table, dice)
        .flatMap(
            aggregate ->
                draft(
                    table,
                    dice.pick(
                            "What is the %3$s of the %2$s for each %1$s? Show the %1$s too.",
                            "For each %1$s, show the %1$s and the %3$s of its %2$s.",
                            "Give each %1$s together with the %3$s of its %2$s.",
                            "List every %1$s and the %3$s of the %2$s in it.")
                        .formatted(by.words(), table.plural(), aggregate.words(dice)),
                    "SELECT %1$s, %2$s FROM %3$s GROUP BY %1$s"
                        .formatted(by.name(), aggregate.sql(""), table.name())));
  }

  private static Optional<Draft> aggregateOrdered(Table table, Dice dice) {
    Column by = dice.pick(table.categories());
    boolean most = dice.chance(0.6);
    return Aggregate.any(table, dice)
        .flatMap(
            aggregate ->
                draft(
                    table,
                    English.askForOne(
                        dice,
                        "the %s whose %s have the %s %s"
                            .formatted(
                                by.words(),
                                table.plural(),
                                most ? "largest" : "smallest",
                                aggregate.words(dice))),
                    "SELECT %1$s FROM %2$s GROUP BY %1$s ORDER BY %3$s %4$s LIMIT 1"
                        .formatted(
                            by.name(), table.name(), aggregate.sql(""), most ? "DESC" : "ASC")));
  }

  private static Optional<Draft> havingCount(Table table, Dice dice) {
    Column by = dice.pick(table.categories());
    Condition.Comparison comparison = dice.pick(List.of(Condition.Comparison.values()));
    int limit = dice.between(2, 20);
    String words = comparison.ofCounts(dice) + " " + limit + " " + table.plural();
    String question =
        dice.chance(0.5)
            ? "Which %s have %s?".formatted(English.plural(by.words()), words)
            : English.askForMany(
                dice,
                "the " + English.plural(by.words()) + dice.pick(" with ", " that have ") + words);
    return draft(
        table,
        question,
        "SELECT %1$s FROM %2$s GROUP BY %1$s HAVING COUNT(*) %3$s %4$s"
            .formatted(by.name(), table.name(), comparison.sql, limit));
  }

  private static Optional<Draft> havingAggregate(Table table, Dice dice) {
    if (table.amounts().isEmpty()) {
      return Optional.empty();
    }
    Column by = dice.pick(table.categories());
    Column column = dice.pick(table.amounts());
    Condition.Comparison comparison = dice.pick(List.of(Condition.Comparison.values()));
    String value = ((ColumnKind.Measure) column.kind()).draw(dice);
    Aggregate.Of average = new Aggregate.Of(Aggregate.AVG, column);
    return draft(
        table,
        English.askForMany(
            dice,
            "the %s for which the %s of the %s is %s %s"
                .formatted(
                    English.plural(by.words()),
                    average.words(dice),
                    table.plural(),
                    comparison.ofValues(dice),
                    value)),
        "SELECT %1$s FROM %2$s GROUP BY %1$s HAVING %3$s %4$s %5$s"
            .formatted(by.name(), table.name(), average.sql(""), comparison.sql, value));
  }

  private static Optional<Draft> mostCommon(Table table, Dice dice) {
    Column by = dice.pick(table.categories());
    boolean most = dice.chance(0.6);
    String thing =
        most
            ? dice.pick("the most common %s of the %s", "the %s with the most %s")
            : dice.pick("the least common %s of the %s", "the %s with the fewest %s");
    return draft(
        table,
        English.askForOne(dice, thing.formatted(by.words(), table.plural())),
        "SELECT %1$s FROM %2$s GROUP BY %1$s ORDER BY COUNT(*) %3$s LIMIT 1"
            .formatted(by.name(), table.name(), most ? "DESC" : "ASC"));
  }

  private static Optional<Draft> draft(Table table, String question, String sql) {
    return Optional.of(new Draft(List.of(table), question, sql));
  }
}
