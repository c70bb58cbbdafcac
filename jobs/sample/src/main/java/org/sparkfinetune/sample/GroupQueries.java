package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.sparkfinetune.sample.Extreme.Direction;
import org.sparkfinetune.sample.QueryTemplate.Example;
import org.sparkfinetune.sample.Schema.Column;
import org.sparkfinetune.sample.Schema.Kind;
import org.sparkfinetune.sample.Schema.Table;

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
    return (table, random) ->
        table.categories().isEmpty() ? Optional.empty() : template.example(table, random);
  }

  private static Optional<Example> count(Table table, SeededRandom random) {
    Column by = random.pick(table.categories());
    return example(
        table,
        random
            .pick(
                "How many %2$s are there for each %1$s? Show the %1$s and the number of %2$s.",
                "For each %1$s, show the %1$s and the number of %2$s.",
                "Count the %2$s of every %1$s, giving the %1$s too.",
                "List each %1$s with the number of its %2$s.")
            .formatted(by.words(), table.plural()),
        "SELECT %1$s, COUNT(*) FROM %2$s GROUP BY %1$s".formatted(by.name(), table.name()));
  }

  private static Optional<Example> countWhere(Table table, SeededRandom random) {
    if (table.measures().isEmpty()) {
      return Optional.empty();
    }
    Column by = random.pick(table.categories());
    Condition condition = Condition.on(random.pick(table.measures()), random);
    return example(
        table,
        random
            .pick(
                "For each %1$s, show the %1$s and the number of %2$s %3$s.",
                "Count the %2$s %3$s per %1$s, giving the %1$s too.")
            .formatted(by.words(), table.plural(), condition.words()),
        "SELECT %1$s, COUNT(*) FROM %2$s WHERE %3$s GROUP BY %1$s"
            .formatted(by.name(), table.name(), condition.sql("")));
  }

  private static Optional<Example> countOrdered(Table table, SeededRandom random) {
    Column by = random.pick(table.categories());
    Direction direction = Direction.any(random);
    String order =
        switch (direction) {
          case ASC -> random.pick("from the fewest to the most", "fewest first");
          case DESC -> random.pick("from the most to the fewest", "most first");
        };
    return example(
        table,
        "%s each %s and its number of %s, %s."
            .formatted(random.pick("Show", "List", "Give"), by.words(), table.plural(), order),
        "SELECT %1$s, COUNT(*) FROM %2$s GROUP BY %1$s ORDER BY COUNT(*) %3$s"
            .formatted(by.name(), table.name(), direction));
  }

  private static Optional<Example> aggregate(Table table, SeededRandom random) {
    Column by = random.pick(table.categories());
    return Aggregate.any(table, random)
        .flatMap(
            aggregate ->
                example(
                    table,
                    random
                        .pick(
                            "What is the %3$s of the %2$s for each %1$s? Show the %1$s too.",
                            "For each %1$s, show the %1$s and the %3$s of its %2$s.",
                            "Give each %1$s together with the %3$s of its %2$s.",
                            "List every %1$s and the %3$s of the %2$s in it.")
                        .formatted(by.words(), table.plural(), aggregate.words(random)),
                    "SELECT %1$s, %2$s FROM %3$s GROUP BY %1$s"
                        .formatted(by.name(), aggregate.sql(""), table.name())));
  }

  private static Optional<Example> aggregateOrdered(Table table, SeededRandom random) {
    Column by = random.pick(table.categories());
    boolean most = random.chance(0.6);
    return Aggregate.any(table, random)
        .flatMap(
            aggregate ->
                example(
                    table,
                    English.askForOne(
                        random,
                        "the %s whose %s have the %s %s"
                            .formatted(
                                by.words(),
                                table.plural(),
                                most ? "largest" : "smallest",
                                aggregate.words(random))),
                    "SELECT %1$s FROM %2$s GROUP BY %1$s ORDER BY %3$s %4$s LIMIT 1"
                        .formatted(
                            by.name(), table.name(), aggregate.sql(""), most ? "DESC" : "ASC")));
  }

  private static Optional<Example> havingCount(Table table, SeededRandom random) {
    Column by = random.pick(table.categories());
    Condition.Comparison comparison = random.pick(List.of(Condition.Comparison.values()));
    int limit = random.between(2, 20);
    String words = comparison.ofCounts(random) + " " + limit + " " + table.plural();
    String question =
        random.chance(0.5)
            ? "Which %s have %s?".formatted(English.plural(by.words()), words)
            : English.askForMany(
                random,
                "the " + English.plural(by.words()) + random.pick(" with ", " that have ") + words);
    return example(
        table,
        question,
        "SELECT %1$s FROM %2$s GROUP BY %1$s HAVING COUNT(*) %3$s %4$s"
            .formatted(by.name(), table.name(), comparison.sql, limit));
  }

  private static Optional<Example> havingAggregate(Table table, SeededRandom random) {
    if (table.amounts().isEmpty()) {
      return Optional.empty();
    }
    Column by = random.pick(table.categories());
    Column column = random.pick(table.amounts());
    Condition.Comparison comparison = random.pick(List.of(Condition.Comparison.values()));
    String value = ((Kind.Measure) column.kind()).draw(random);
    Aggregate.Of average = new Aggregate.Of(Aggregate.AVG, column);
    return example(
        table,
        English.askForMany(
            random,
            "the %s for which the %s of the %s is %s %s"
                .formatted(
                    English.plural(by.words()),
                    average.words(random),
                    table.plural(),
                    comparison.ofValues(random),
                    value)),
        "SELECT %1$s FROM %2$s GROUP BY %1$s HAVING %3$s %4$s %5$s"
            .formatted(by.name(), table.name(), average.sql(""), comparison.sql, value));
  }

  private static Optional<Example> mostCommon(Table table, SeededRandom random) {
    Column by = random.pick(table.categories());
    boolean most = random.chance(0.6);
    String thing =
        most
            ? random.pick("the most common %s of the %s", "the %s with the most %s")
            : random.pick("the least common %s of the %s", "the %s with the fewest %s");
    return example(
        table,
        English.askForOne(random, thing.formatted(by.words(), table.plural())),
        "SELECT %1$s FROM %2$s GROUP BY %1$s ORDER BY COUNT(*) %3$s LIMIT 1"
            .formatted(by.name(), table.name(), most ? "DESC" : "ASC"));
  }

  private static Optional<Example> example(Table table, String question, String sql) {
    return Optional.of(new Example(List.of(table), question, sql));
  }
}
