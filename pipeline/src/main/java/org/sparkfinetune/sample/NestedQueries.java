package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

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

  private static Optional<Draft> comparedToAverage(Table table, Dice dice) {
    if (table.amounts().isEmpty()) {
      return Optional.empty();
    }
    Column column = dice.pick(table.amounts());
    HumanReadable shown = HumanReadable.of(table, List.of(column), dice);
    boolean above = dice.chance(0.6);
    String words =
        above
            ? dice.pick("is above the average", "is higher than the average", "exceeds the average")
            : dice.pick("is below the average", "is lower than the average");
    String things =
        "the %s of all %s whose %s %s"
            .formatted(shown.plural(), table.plural(), column.words(), words);
    return draft(
        table,
        English.askForMany(dice, things),
        "SELECT %1$s FROM %2$s WHERE %3$s %4$s (SELECT AVG(%3$s) FROM %2$s)"
            .formatted(shown.sql(""), table.name(), column.name(), above ? ">" : "<"));
  }

  private static Optional<Draft> allAtTheTop(Table table, Dice dice) {
    if (table.measures().isEmpty()) {
      return Optional.empty();
    }
    Column column = dice.pick(table.measures());
    HumanReadable shown = HumanReadable.of(table, List.of(column), dice);
    boolean most = dice.chance(0.5);
    String things =
        "the %s of all %s whose %s equals the %s %s of any %s"
            .formatted(
                shown.plural(),
                table.plural(),
                column.words(),
                most ? "maximum" : "minimum",
                column.words(),
                table.singular());
    return draft(
        table,
        English.askForMany(dice, things),
        "SELECT %1$s FROM %2$s WHERE %3$s = (SELECT %4$s(%3$s) FROM %2$s)"
            .formatted(shown.sql(""), table.name(), column.name(), most ? "MAX" : "MIN"));
  }

  private static Optional<Draft> comparedToGroup(Table table, Dice dice) {
    if (table.amounts().isEmpty() || table.categories().isEmpty()) {
      return Optional.empty();
    }
    Column column = dice.pick(table.amounts());
    Condition group = Condition.on(dice.pick(table.categories()), dice);
    HumanReadable shown = HumanReadable.of(table, List.of(column), dice);
    String things =
        "the %s of the %s with a higher %s than every one of the %s %s"
            .formatted(
                shown.plural(), table.plural(), column.words(), table.plural(), group.words());
    return draft(
        table,
        English.askForMany(dice, things),
        "SELECT %1$s FROM %2$s WHERE %3$s > (SELECT MAX(%3$s) FROM %2$s WHERE %4$s)"
            .formatted(shown.sql(""), table.name(), column.name(), group.sql("")));
  }

  private static Optional<Draft> inBoth(Table table, Dice dice) {
    return sideBySide(
        table, dice, "INTERSECT", "the %1$s that occur both among %2$s %3$s and among %2$s %4$s");
  }

  private static Optional<Draft> inOneOnly(Table table, Dice dice) {
    return sideBySide(
        table, dice, "EXCEPT", "the %1$s that occur among %2$s %3$s but not among %2$s %4$s");
  }

  private static Optional<Draft> sideBySide(
      Table table, Dice dice, String operator, String things) {
    if (table.categories().isEmpty() || table.measures().isEmpty()) {
      return Optional.empty();
    }
    Column shown = dice.pick(table.categories());
    List<Column> others =
        table.descriptions().stream()
            .filter(column -> !(column.kind() instanceof ColumnKind.Label || column.equals(shown)))
            .toList();
    Condition one = Condition.on(dice.pick(others), dice);
    Condition other = Condition.on(dice.pick(others), dice);
    return !isAnotherKind(one, other)
        ? Optional.empty()
        : draft(
            table,
            English.askForMany(
                dice,
                things.formatted(
                    English.plural(shown.words()), table.plural(), one.words(), other.words())),
            "SELECT %1$s FROM %2$s WHERE %3$s %4$s SELECT %1$s FROM %2$s WHERE %5$s"
                .formatted(shown.name(), table.name(), one.sql(""), operator, other.sql("")));
  }

  /**
   * Of two conditions on one column, one has to look up and one down, or they say nearly the same.
   */
  private static boolean isAnotherKind(Condition one, Condition other) {
    return !one.column().equals(other.column()) || one.test().charAt(0) != other.test().charAt(0);
  }

  private static Optional<Draft> without(Schema.Link link, Dice dice) {
    Table parent = link.parent();
    HumanReadable shown = HumanReadable.of(parent, List.of(), dice);
    String things =
        "the %s of the %s %s have no %s"
            .formatted(shown.plural(), parent.plural(), parent.who(), link.child().plural());
    return Optional.of(
        new Draft(
            List.of(parent, link.child()),
            English.askForMany(dice, things),
            "SELECT %1$s FROM %2$s WHERE %3$s NOT IN (SELECT %3$s FROM %4$s)"
                .formatted(shown.sql(""), parent.name(), link.key().name(), link.child().name())));
  }

  private static Optional<Draft> having(Schema.Link link, Dice dice) {
    Table parent = link.parent();
    HumanReadable shown = HumanReadable.of(parent, List.of(), dice);
    boolean some = dice.chance(0.6);
    return Condition.some(link.child(), dice)
        .map(
            condition ->
                new Draft(
                    List.of(parent, link.child()),
                    English.askForMany(
                        dice,
                        "the %s of the %s %s have %s %s %s"
                            .formatted(
                                shown.plural(),
                                parent.plural(),
                                parent.who(),
                                some ? "at least one" : "not a single",
                                link.child().singular(),
                                condition.words())),
                    "SELECT %1$s FROM %2$s WHERE %3$s %4$s (SELECT %3$s FROM %5$s WHERE %6$s)"
                        .formatted(
                            shown.sql(""),
                            parent.name(),
                            link.key().name(),
                            some ? "IN" : "NOT IN",
                            link.child().name(),
                            condition.sql(""))));
  }

  private static Optional<Draft> draft(Table table, String question, String sql) {
    return Optional.of(new Draft(List.of(table), question, sql));
  }
}
