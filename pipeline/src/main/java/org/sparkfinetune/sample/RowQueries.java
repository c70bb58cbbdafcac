package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Questions whose answer is rows of one table: chosen, ordered, the first few. */
final class RowQueries {
  private RowQueries() {}

  static Stream<QueryTemplate> all() {
    return Stream.<QueryTemplate.OfTable>of(
            RowQueries::every,
            RowQueries::where,
            RowQueries::where,
            RowQueries::whereBoth,
            RowQueries::whereEither,
            RowQueries::between,
            RowQueries::oneOf,
            RowQueries::not,
            RowQueries::missing,
            RowQueries::spelled,
            RowQueries::ordered,
            RowQueries::orderedWhere,
            RowQueries::extreme,
            RowQueries::extremeWhere,
            RowQueries::firstFew,
            RowQueries::distinct)
        .map(QueryTemplate.OfTable::anyTable);
  }

  /** The kinds that a very small model can learn. */
  static Stream<QueryTemplate> plain() {
    return Stream.<QueryTemplate.OfTable>of(
            RowQueries::every,
            RowQueries::where,
            RowQueries::where,
            RowQueries::ordered,
            RowQueries::extreme,
            RowQueries::firstFew,
            RowQueries::distinct)
        .map(QueryTemplate.OfTable::anyTable);
  }

  private static Optional<Draft> every(Table table, Dice dice) {
    HumanReadable shown = HumanReadable.of(table, List.of(), dice);
    String things =
        dice.pick(
            "the " + shown.plural() + " of all " + table.plural(),
            "the " + shown.words() + " of every " + table.singular(),
            "the " + shown.words() + " of each " + table.singular());
    return draft(table, English.askForMany(dice, things), select(shown, table));
  }

  private static Optional<Draft> where(Table table, Dice dice) {
    return Condition.some(table, dice)
        .flatMap(
            condition ->
                chosen(table, List.of(condition), condition.words(), condition.sql(""), dice));
  }

  private static Optional<Draft> whereBoth(Table table, Dice dice) {
    List<Condition> both = twoConditions(table, dice);
    return both.size() < 2
        ? Optional.empty()
        : chosen(
            table,
            both,
            both.get(0).words() + " and " + both.get(1).words(),
            both.get(0).sql("") + " AND " + both.get(1).sql(""),
            dice);
  }

  private static Optional<Draft> whereEither(Table table, Dice dice) {
    List<Condition> both = twoConditions(table, dice);
    return both.size() < 2
        ? Optional.empty()
        : chosen(
            table,
            both,
            both.get(0).words() + " or " + both.get(1).words(),
            both.get(0).sql("") + " OR " + both.get(1).sql(""),
            dice);
  }

  private static List<Condition> twoConditions(Table table, Dice dice) {
    List<Column> columns =
        table.descriptions().stream()
            .filter(column -> !(column.kind() instanceof ColumnKind.Label))
            .toList();
    return dice.some(columns, 2).stream().map(column -> Condition.on(column, dice)).toList();
  }

  private static Optional<Draft> between(Table table, Dice dice) {
    if (table.measures().isEmpty()) {
      return Optional.empty();
    }
    Column column = dice.pick(table.measures());
    ColumnKind.Measure measure = (ColumnKind.Measure) column.kind();
    String one = measure.draw(dice);
    String other = measure.draw(dice);
    boolean upwards = Double.parseDouble(one) <= Double.parseDouble(other);
    String low = upwards ? one : other;
    String high = upwards ? other : one;
    Condition condition =
        new Condition(
            column,
            "BETWEEN " + low + " AND " + high,
            "whose " + column.words() + " is between " + low + " and " + high);
    return low.equals(high)
        ? Optional.empty()
        : chosen(table, List.of(condition), condition.words(), condition.sql(""), dice);
  }

  private static Optional<Draft> oneOf(Table table, Dice dice) {
    if (table.categories().isEmpty()) {
      return Optional.empty();
    }
    Column column = dice.pick(table.categories());
    List<String> values =
        dice.some(((ColumnKind.Category) column.kind()).values(), dice.between(2, 3));
    String listed = String.join(", ", values.stream().map(Sql::text).toList());
    Condition condition =
        new Condition(
            column,
            "IN (" + listed + ")",
            "whose "
                + column.words()
                + " is "
                + (values.size() == 2 ? "either " : "one of ")
                + English.series(values, "or"));
    return chosen(table, List.of(condition), condition.words(), condition.sql(""), dice);
  }

  private static Optional<Draft> not(Table table, Dice dice) {
    if (table.categories().isEmpty()) {
      return Optional.empty();
    }
    Column column = dice.pick(table.categories());
    String value = dice.pick(((ColumnKind.Category) column.kind()).values());
    Condition condition =
        new Condition(
            column,
            "<> " + Sql.text(value),
            "whose "
                + column.words()
                + " is "
                + dice.pick("not ", "anything but ", "other than ")
                + value);
    return chosen(table, List.of(condition), condition.words(), condition.sql(""), dice);
  }

  private static Optional<Draft> missing(Table table, Dice dice) {
    Column column = dice.pick(table.descriptions());
    boolean missing = dice.chance(0.6);
    Condition condition =
        missing
            ? new Condition(
                column,
                "IS NULL",
                dice.pick(
                    "whose " + column.words() + " is missing",
                    "whose " + column.words() + " is unknown",
                    "without a recorded " + column.words()))
            : new Condition(
                column,
                "IS NOT NULL",
                dice.pick(
                    "whose " + column.words() + " is known",
                    "whose " + column.words() + " is recorded"));
    return chosen(table, List.of(condition), condition.words(), condition.sql(""), dice);
  }

  private static Optional<Draft> spelled(Table table, Dice dice) {
    return table
        .label()
        .flatMap(
            label -> {
              String value = dice.pick(((ColumnKind.Label) label.kind()).values());
              String[] words = value.split(" ", -1);
              Condition condition =
                  dice.chance(0.5)
                      ? spelled(label, words[0] + "%", "starts with ", words[0])
                      : spelled(
                          label,
                          "%" + words[words.length - 1] + "%",
                          "contains ",
                          words[words.length - 1]);
              return chosen(table, List.of(condition), condition.words(), condition.sql(""), dice);
            });
  }

  private static Condition spelled(Column label, String pattern, String verb, String part) {
    return new Condition(
        label, "LIKE " + Sql.text(pattern), "whose " + label.words() + " " + verb + part);
  }

  private static Optional<Draft> chosen(
      Table table, List<Condition> conditions, String words, String sql, Dice dice) {
    HumanReadable shown =
        HumanReadable.of(table, conditions.stream().map(Condition::column).toList(), dice);
    String rows = table.plural() + " " + words;
    String question =
        dice.chance(0.25)
            ? "Which "
                + rows
                + " are there? "
                + dice.pick("Give ", "Show ", "Return ")
                + (table.people() ? "their " : "the ")
                + shown.plural()
                + "."
            : English.askForMany(
                dice, "the " + shown.plural() + dice.pick(" of ", " of all ", " of the ") + rows);
    return draft(table, question, select(shown, table) + " WHERE " + sql);
  }

  private static Optional<Draft> ordered(Table table, Dice dice) {
    if (table.measures().isEmpty()) {
      return Optional.empty();
    }
    Column by = dice.pick(table.measures());
    HumanReadable shown = HumanReadable.of(table, List.of(by), dice);
    Direction direction = Direction.any(dice);
    String things =
        "the " + shown.plural() + " of all " + table.plural() + direction.words(by, dice);
    return draft(
        table,
        English.askForMany(dice, things),
        select(shown, table) + " ORDER BY " + by.name() + " " + direction.name());
  }

  private static Optional<Draft> orderedWhere(Table table, Dice dice) {
    if (table.measures().isEmpty() || table.categories().isEmpty()) {
      return Optional.empty();
    }
    Column by = dice.pick(table.measures());
    Condition condition = Condition.on(dice.pick(table.categories()), dice);
    HumanReadable shown = HumanReadable.of(table, List.of(by, condition.column()), dice);
    Direction direction = Direction.any(dice);
    String things =
        "the %s of the %s %s,%s"
            .formatted(
                shown.plural(), table.plural(), condition.words(), direction.words(by, dice));
    return draft(
        table,
        English.askForMany(dice, things),
        "%s WHERE %s ORDER BY %s %s"
            .formatted(select(shown, table), condition.sql(""), by.name(), direction.name()));
  }

  private static Optional<Draft> extreme(Table table, Dice dice) {
    if (table.measures().isEmpty()) {
      return Optional.empty();
    }
    Extreme extreme = Extreme.any(table, dice);
    HumanReadable shown = HumanReadable.of(table, List.of(extreme.column()), dice);
    return draft(
        table,
        English.askForOne(dice, "the " + shown.words() + " of the " + extreme.one(table, "")),
        select(shown, table) + " ORDER BY " + extreme.order("") + " LIMIT 1");
  }

  private static Optional<Draft> extremeWhere(Table table, Dice dice) {
    if (table.measures().isEmpty() || table.categories().isEmpty()) {
      return Optional.empty();
    }
    Extreme extreme = Extreme.any(table, dice);
    Condition condition = Condition.on(dice.pick(table.categories()), dice);
    HumanReadable shown =
        HumanReadable.of(table, List.of(extreme.column(), condition.column()), dice);
    String things =
        "the %s of the %s".formatted(shown.words(), extreme.one(table, " " + condition.words()));
    return draft(
        table,
        English.askForOne(dice, things),
        "%s WHERE %s ORDER BY %s LIMIT 1"
            .formatted(select(shown, table), condition.sql(""), extreme.order("")));
  }

  private static Optional<Draft> firstFew(Table table, Dice dice) {
    if (table.measures().isEmpty()) {
      return Optional.empty();
    }
    Extreme extreme = Extreme.any(table, dice);
    int count = dice.between(2, 10);
    HumanReadable shown = HumanReadable.of(table, List.of(extreme.column()), dice);
    return draft(
        table,
        English.askForMany(dice, "the " + shown.plural() + " of the " + extreme.many(table, count)),
        select(shown, table) + " ORDER BY " + extreme.order("") + " LIMIT " + count);
  }

  private static Optional<Draft> distinct(Table table, Dice dice) {
    if (table.categories().isEmpty()) {
      return Optional.empty();
    }
    Column column = dice.pick(table.categories());
    String plural = English.plural(column.words());
    String question =
        dice.pick(
            English.askForMany(dice, "the different " + plural + " of " + table.plural()),
            English.askForMany(dice, "all distinct " + plural + " of the " + table.plural()),
            "Which different " + plural + " do the " + table.plural() + " have?");
    return draft(table, question, "SELECT DISTINCT " + column.name() + " FROM " + table.name());
  }

  private static String select(HumanReadable shown, Table table) {
    return "SELECT " + shown.sql("") + " FROM " + table.name();
  }

  private static Optional<Draft> draft(Table table, String question, String sql) {
    return Optional.of(new Draft(List.of(table), question, sql));
  }
}
