package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.sparkfinetune.sample.QueryTemplate.Example;
import org.sparkfinetune.sample.Schema.Column;
import org.sparkfinetune.sample.Schema.Kind;
import org.sparkfinetune.sample.Schema.Table;

/** Questions that take a query inside a query, or two side by side. */
// Formats are picked, and know %s alone.
@SuppressWarnings("DefaultLocale")
final class NestedQueries {
  private NestedQueries() {}

  static Stream<QueryTemplate> all() {
    return Stream.concat(
        Stream.<QueryTemplate.OfTable>of(
                NestedQueries::comparedToAverage,
                NestedQueries::comparedToAverage,
                NestedQueries::allAtTheTop,
                NestedQueries::comparedToGroup,
                NestedQueries::inBoth,
                NestedQueries::inOneOnly)
            .map(QueryTemplate.OfTable::anyTable),
        Stream.<QueryTemplate.OfLink>of(
                NestedQueries::without, NestedQueries::having, NestedQueries::having)
            .map(QueryTemplate.OfLink::anyLink));
  }

  private static Optional<Example> comparedToAverage(Table table, SeededRandom random) {
    if (table.amounts().isEmpty()) {
      return Optional.empty();
    }
    Column column = random.pick(table.amounts());
    Projection projection = Projection.of(table, List.of(column), random);
    boolean above = random.chance(0.6);
    String words =
        above
            ? random.pick(
                "is above the average", "is higher than the average", "exceeds the average")
            : random.pick("is below the average", "is lower than the average");
    String things =
        "the %s of all %s whose %s %s"
            .formatted(projection.plural(), table.plural(), column.words(), words);
    return example(
        table,
        English.askForMany(random, things),
        "SELECT %1$s FROM %2$s WHERE %3$s %4$s (SELECT AVG(%3$s) FROM %2$s)"
            .formatted(projection.sql(""), table.name(), column.name(), above ? ">" : "<"));
  }

  private static Optional<Example> allAtTheTop(Table table, SeededRandom random) {
    if (table.measures().isEmpty()) {
      return Optional.empty();
    }
    Column column = random.pick(table.measures());
    Projection projection = Projection.of(table, List.of(column), random);
    boolean most = random.chance(0.5);
    String things =
        "the %s of all %s whose %s equals the %s %s of any %s"
            .formatted(
                projection.plural(),
                table.plural(),
                column.words(),
                most ? "maximum" : "minimum",
                column.words(),
                table.singular());
    return example(
        table,
        English.askForMany(random, things),
        "SELECT %1$s FROM %2$s WHERE %3$s = (SELECT %4$s(%3$s) FROM %2$s)"
            .formatted(projection.sql(""), table.name(), column.name(), most ? "MAX" : "MIN"));
  }

  private static Optional<Example> comparedToGroup(Table table, SeededRandom random) {
    if (table.amounts().isEmpty() || table.categories().isEmpty()) {
      return Optional.empty();
    }
    Column column = random.pick(table.amounts());
    Condition group = Condition.on(random.pick(table.categories()), random);
    Projection projection = Projection.of(table, List.of(column), random);
    String things =
        "the %s of the %s with a higher %s than every one of the %s %s"
            .formatted(
                projection.plural(), table.plural(), column.words(), table.plural(), group.words());
    return example(
        table,
        English.askForMany(random, things),
        "SELECT %1$s FROM %2$s WHERE %3$s > (SELECT MAX(%3$s) FROM %2$s WHERE %4$s)"
            .formatted(projection.sql(""), table.name(), column.name(), group.sql("")));
  }

  private static Optional<Example> inBoth(Table table, SeededRandom random) {
    return sideBySide(
        table, random, "INTERSECT", "the %1$s that occur both among %2$s %3$s and among %2$s %4$s");
  }

  private static Optional<Example> inOneOnly(Table table, SeededRandom random) {
    return sideBySide(
        table, random, "EXCEPT", "the %1$s that occur among %2$s %3$s but not among %2$s %4$s");
  }

  private static Optional<Example> sideBySide(
      Table table, SeededRandom random, String operator, String things) {
    if (table.categories().isEmpty() || table.measures().isEmpty()) {
      return Optional.empty();
    }
    Column projection = random.pick(table.categories());
    List<Column> others =
        table.descriptions().stream()
            .filter(column -> !(column.kind() instanceof Kind.Label || column.equals(projection)))
            .toList();
    Condition one = Condition.on(random.pick(others), random);
    Condition other = Condition.on(random.pick(others), random);
    return !isAnotherKind(one, other)
        ? Optional.empty()
        : example(
            table,
            English.askForMany(
                random,
                things.formatted(
                    English.plural(projection.words()),
                    table.plural(),
                    one.words(),
                    other.words())),
            "SELECT %1$s FROM %2$s WHERE %3$s %4$s SELECT %1$s FROM %2$s WHERE %5$s"
                .formatted(projection.name(), table.name(), one.sql(""), operator, other.sql("")));
  }

  /**
   * Of two conditions on one column, one has to look up and one down, or they say nearly the same.
   */
  private static boolean isAnotherKind(Condition one, Condition other) {
    return !one.column().equals(other.column()) || one.test().charAt(0) != other.test().charAt(0);
  }

  private static Optional<Example> without(Schema.Link link, SeededRandom random) {
    Table parent = link.parent();
    Projection projection = Projection.of(parent, List.of(), random);
    String things =
        "the %s of the %s %s have no %s"
            .formatted(projection.plural(), parent.plural(), parent.who(), link.child().plural());
    return Optional.of(
        new Example(
            List.of(parent, link.child()),
            English.askForMany(random, things),
            "SELECT %1$s FROM %2$s WHERE %3$s NOT IN (SELECT %3$s FROM %4$s)"
                .formatted(
                    projection.sql(""), parent.name(), link.key().name(), link.child().name())));
  }

  private static Optional<Example> having(Schema.Link link, SeededRandom random) {
    Table parent = link.parent();
    Projection projection = Projection.of(parent, List.of(), random);
    boolean some = random.chance(0.6);
    return Condition.some(link.child(), random)
        .map(
            condition ->
                new Example(
                    List.of(parent, link.child()),
                    English.askForMany(
                        random,
                        "the %s of the %s %s have %s %s %s"
                            .formatted(
                                projection.plural(),
                                parent.plural(),
                                parent.who(),
                                some ? "at least one" : "not a single",
                                link.child().singular(),
                                condition.words())),
                    "SELECT %1$s FROM %2$s WHERE %3$s %4$s (SELECT %3$s FROM %5$s WHERE %6$s)"
                        .formatted(
                            projection.sql(""),
                            parent.name(),
                            link.key().name(),
                            some ? "IN" : "NOT IN",
                            link.child().name(),
                            condition.sql(""))));
  }

  private static Optional<Example> example(Table table, String question, String sql) {
    return Optional.of(new Example(List.of(table), question, sql));
  }
}
