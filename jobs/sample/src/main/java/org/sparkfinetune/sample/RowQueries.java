package org.sparkfinetune.sample;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.sparkfinetune.sample.Extreme.Direction;
import org.sparkfinetune.sample.QueryTemplate.Example;
import org.sparkfinetune.sample.Schema.Column;
import org.sparkfinetune.sample.Schema.Kind;
import org.sparkfinetune.sample.Schema.Table;

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

  private static Optional<Example> every(Table table, SeededRandom random) {
    Projection projection = Projection.of(table, List.of(), random);
    String things =
        random.pick(
            "the " + projection.plural() + " of all " + table.plural(),
            "the " + projection.words() + " of every " + table.singular(),
            "the " + projection.words() + " of each " + table.singular());
    return example(table, English.askForMany(random, things), select(projection, table));
  }

  private static Optional<Example> where(Table table, SeededRandom random) {
    return Condition.some(table, random)
        .flatMap(
            condition ->
                chosen(table, List.of(condition), condition.words(), condition.sql(""), random));
  }

  private static Optional<Example> whereBoth(Table table, SeededRandom random) {
    List<Condition> both = twoConditions(table, random);
    return both.size() < 2
        ? Optional.empty()
        : chosen(
            table,
            both,
            both.get(0).words() + " and " + both.get(1).words(),
            both.get(0).sql("") + " AND " + both.get(1).sql(""),
            random);
  }

  private static Optional<Example> whereEither(Table table, SeededRandom random) {
    List<Condition> both = twoConditions(table, random);
    return both.size() < 2
        ? Optional.empty()
        : chosen(
            table,
            both,
            both.get(0).words() + " or " + both.get(1).words(),
            both.get(0).sql("") + " OR " + both.get(1).sql(""),
            random);
  }

  private static List<Condition> twoConditions(Table table, SeededRandom random) {
    List<Column> columns =
        table.descriptions().stream()
            .filter(column -> !(column.kind() instanceof Kind.Label))
            .toList();
    return random.sample(columns, 2).stream().map(column -> Condition.on(column, random)).toList();
  }

  private static Optional<Example> between(Table table, SeededRandom random) {
    if (table.measures().isEmpty()) {
      return Optional.empty();
    }
    Column column = random.pick(table.measures());
    Kind.Measure measure = (Kind.Measure) column.kind();
    String one = measure.draw(random);
    String other = measure.draw(random);
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
        : chosen(table, List.of(condition), condition.words(), condition.sql(""), random);
  }

  private static Optional<Example> oneOf(Table table, SeededRandom random) {
    if (table.categories().isEmpty()) {
      return Optional.empty();
    }
    Column column = random.pick(table.categories());
    List<String> values =
        random.sample(((Kind.Category) column.kind()).values(), random.between(2, 3));
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
    return chosen(table, List.of(condition), condition.words(), condition.sql(""), random);
  }

  private static Optional<Example> not(Table table, SeededRandom random) {
    if (table.categories().isEmpty()) {
      return Optional.empty();
    }
    Column column = random.pick(table.categories());
    String value = random.pick(((Kind.Category) column.kind()).values());
    Condition condition =
        new Condition(
            column,
            "<> " + Sql.text(value),
            "whose "
                + column.words()
                + " is "
                + random.pick("not ", "anything but ", "other than ")
                + value);
    return chosen(table, List.of(condition), condition.words(), condition.sql(""), random);
  }

  private static Optional<Example> missing(Table table, SeededRandom random) {
    Column column = random.pick(table.descriptions());
    boolean missing = random.chance(0.6);
    Condition condition =
        missing
            ? new Condition(
                column,
                "IS NULL",
                random.pick(
                    "whose " + column.words() + " is missing",
                    "whose " + column.words() + " is unknown",
                    "without a recorded " + column.words()))
            : new Condition(
                column,
                "IS NOT NULL",
                random.pick(
                    "whose " + column.words() + " is known",
                    "whose " + column.words() + " is recorded"));
    return chosen(table, List.of(condition), condition.words(), condition.sql(""), random);
  }

  private static Optional<Example> spelled(Table table, SeededRandom random) {
    return table
        .label()
        .flatMap(
            label -> {
              String value = random.pick(((Kind.Label) label.kind()).values());
              String[] words = value.split(" ", -1);
              Condition condition =
                  random.chance(0.5)
                      ? spelled(label, words[0] + "%", "starts with ", words[0])
                      : spelled(
                          label,
                          "%" + words[words.length - 1] + "%",
                          "contains ",
                          words[words.length - 1]);
              return chosen(
                  table, List.of(condition), condition.words(), condition.sql(""), random);
            });
  }

  private static Condition spelled(Column label, String pattern, String verb, String part) {
    return new Condition(
        label, "LIKE " + Sql.text(pattern), "whose " + label.words() + " " + verb + part);
  }

  private static Optional<Example> chosen(
      Table table, List<Condition> conditions, String words, String sql, SeededRandom random) {
    Projection projection =
        Projection.of(table, conditions.stream().map(Condition::column).toList(), random);
    String rows = table.plural() + " " + words;
    String question =
        random.chance(0.25)
            ? "Which "
                + rows
                + " are there? "
                + random.pick("Give ", "Show ", "Return ")
                + (table.people() ? "their " : "the ")
                + projection.plural()
                + "."
            : English.askForMany(
                random,
                "the " + projection.plural() + random.pick(" of ", " of all ", " of the ") + rows);
    return example(table, question, select(projection, table) + " WHERE " + sql);
  }

  private static Optional<Example> ordered(Table table, SeededRandom random) {
    if (table.measures().isEmpty()) {
      return Optional.empty();
    }
    Column by = random.pick(table.measures());
    Projection projection = Projection.of(table, List.of(by), random);
    Direction direction = Direction.any(random);
    String things =
        "the " + projection.plural() + " of all " + table.plural() + direction.words(by, random);
    return example(
        table,
        English.askForMany(random, things),
        select(projection, table) + " ORDER BY " + by.name() + " " + direction.name());
  }

  private static Optional<Example> orderedWhere(Table table, SeededRandom random) {
    if (table.measures().isEmpty() || table.categories().isEmpty()) {
      return Optional.empty();
    }
    Column by = random.pick(table.measures());
    Condition condition = Condition.on(random.pick(table.categories()), random);
    Projection projection = Projection.of(table, List.of(by, condition.column()), random);
    Direction direction = Direction.any(random);
    String things =
        "the %s of the %s %s,%s"
            .formatted(
                projection.plural(),
                table.plural(),
                condition.words(),
                direction.words(by, random));
    return example(
        table,
        English.askForMany(random, things),
        "%s WHERE %s ORDER BY %s %s"
            .formatted(select(projection, table), condition.sql(""), by.name(), direction.name()));
  }

  private static Optional<Example> extreme(Table table, SeededRandom random) {
    if (table.measures().isEmpty()) {
      return Optional.empty();
    }
    Extreme extreme = Extreme.any(table, random);
    Projection projection = Projection.of(table, List.of(extreme.column()), random);
    return example(
        table,
        English.askForOne(
            random, "the " + projection.words() + " of the " + extreme.one(table, "")),
        select(projection, table) + " ORDER BY " + extreme.order("") + " LIMIT 1");
  }

  private static Optional<Example> extremeWhere(Table table, SeededRandom random) {
    if (table.measures().isEmpty() || table.categories().isEmpty()) {
      return Optional.empty();
    }
    Extreme extreme = Extreme.any(table, random);
    Condition condition = Condition.on(random.pick(table.categories()), random);
    Projection projection =
        Projection.of(table, List.of(extreme.column(), condition.column()), random);
    String things =
        "the %s of the %s"
            .formatted(projection.words(), extreme.one(table, " " + condition.words()));
    return example(
        table,
        English.askForOne(random, things),
        "%s WHERE %s ORDER BY %s LIMIT 1"
            .formatted(select(projection, table), condition.sql(""), extreme.order("")));
  }

  private static Optional<Example> firstFew(Table table, SeededRandom random) {
    if (table.measures().isEmpty()) {
      return Optional.empty();
    }
    Extreme extreme = Extreme.any(table, random);
    int count = random.between(2, 10);
    Projection projection = Projection.of(table, List.of(extreme.column()), random);
    return example(
        table,
        English.askForMany(
            random, "the " + projection.plural() + " of the " + extreme.many(table, count)),
        select(projection, table) + " ORDER BY " + extreme.order("") + " LIMIT " + count);
  }

  private static Optional<Example> distinct(Table table, SeededRandom random) {
    if (table.categories().isEmpty()) {
      return Optional.empty();
    }
    Column column = random.pick(table.categories());
    String plural = English.plural(column.words());
    String question =
        random.pick(
            English.askForMany(random, "the different " + plural + " of " + table.plural()),
            English.askForMany(random, "all distinct " + plural + " of the " + table.plural()),
            "Which different " + plural + " do the " + table.plural() + " have?");
    return example(table, question, "SELECT DISTINCT " + column.name() + " FROM " + table.name());
  }

  private static String select(Projection projection, Table table) {
    return "SELECT " + projection.sql("") + " FROM " + table.name();
  }

  private static Optional<Example> example(Table table, String question, String sql) {
    return Optional.of(new Example(List.of(table), question, sql));
  }
}
