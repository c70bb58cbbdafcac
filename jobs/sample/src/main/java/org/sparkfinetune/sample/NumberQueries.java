package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.sparkfinetune.sample.QueryTemplate.Example;
import org.sparkfinetune.sample.Schema.Column;
import org.sparkfinetune.sample.Schema.Table;

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

  private static Optional<Example> countAll(Table table, SeededRandom random) {
    return example(
        table, English.askHowMany(random, table.plural()), "SELECT COUNT(*) FROM " + table.name());
  }

  private static Optional<Example> countWhere(Table table, SeededRandom random) {
    return Condition.some(table, random)
        .flatMap(
            condition ->
                example(
                    table,
                    English.askHowMany(random, table.plural() + " " + condition.words()),
                    "SELECT COUNT(*) FROM %s WHERE %s".formatted(table.name(), condition.sql(""))));
  }

  private static Optional<Example> countBoth(Table table, SeededRandom random) {
    if (table.measures().isEmpty() || table.categories().isEmpty()) {
      return Optional.empty();
    }
    Condition one = Condition.on(random.pick(table.categories()), random);
    Condition other = Condition.on(random.pick(table.measures()), random);
    return example(
        table,
        English.askHowMany(random, table.plural() + " " + one.words() + " and " + other.words()),
        "SELECT COUNT(*) FROM %s WHERE %s AND %s"
            .formatted(table.name(), one.sql(""), other.sql("")));
  }

  private static Optional<Example> countDistinct(Table table, SeededRandom random) {
    if (table.categories().isEmpty()) {
      return Optional.empty();
    }
    Column column = random.pick(table.categories());
    String question =
        random.pick(
            "How many different %s do the %s have?",
            "Count the distinct %s of the %s.", "What is the number of different %s among the %s?");
    return example(
        table,
        question.formatted(English.plural(column.words()), table.plural()),
        "SELECT COUNT(DISTINCT %s) FROM %s".formatted(column.name(), table.name()));
  }

  private static Optional<Example> aggregate(Table table, SeededRandom random) {
    return Aggregate.any(table, random)
        .flatMap(
            aggregate ->
                example(
                    table,
                    English.askForOne(
                        random,
                        "the "
                            + aggregate.words(random)
                            + random.pick(" of all ", " of the ")
                            + table.plural()),
                    "SELECT %s FROM %s".formatted(aggregate.sql(""), table.name())));
  }

  private static Optional<Example> aggregateWhere(Table table, SeededRandom random) {
    return Aggregate.any(table, random)
        .flatMap(
            aggregate ->
                Condition.some(table, random)
                    .filter(condition -> !condition.column().equals(aggregate.column()))
                    .flatMap(
                        condition ->
                            example(
                                table,
                                English.askForOne(
                                    random,
                                    "the %s of %s %s"
                                        .formatted(
                                            aggregate.words(random),
                                            table.plural(),
                                            condition.words())),
                                "SELECT %s FROM %s WHERE %s"
                                    .formatted(
                                        aggregate.sql(""), table.name(), condition.sql("")))));
  }

  private static Optional<Example> lowestAndHighest(Table table, SeededRandom random) {
    if (table.amounts().isEmpty()) {
      return Optional.empty();
    }
    Column column = random.pick(table.amounts());
    String things =
        random.pick("the lowest and the highest ", "the minimum and maximum ")
            + column.words()
            + " of the "
            + table.plural();
    return example(
        table,
        English.askForMany(random, things),
        "SELECT MIN(%s), MAX(%s) FROM %s".formatted(column.name(), column.name(), table.name()));
  }

  private static Optional<Example> example(Table table, String question, String sql) {
    return Optional.of(new Example(List.of(table), question, sql));
  }
}
