package org.sparkfinetune.sample;

import java.util.Optional;
import org.sparkfinetune.sample.Schema.Column;
import org.sparkfinetune.sample.Schema.Kind;
import org.sparkfinetune.sample.Schema.Table;

/**
 * The longest book, the three cheapest rooms.
 *
 * @param words before the noun; empty where one has to say "with the highest price" after it
 */
record Extreme(Column column, Direction direction, Optional<String> words) {

  /** Of any of {@code table}'s measures. */
  static Extreme any(Table table, SeededRandom random) {
    Column column = random.pick(table.measures());
    boolean most = random.chance(0.55);
    Optional<String> words =
        ((Kind.Measure) column.kind())
            .superlatives()
            .filter(known -> isTheOnly(table, column, most) && random.chance(0.5))
            .map(known -> most ? known.most() : known.least());
    return new Extreme(column, most ? Direction.DESC : Direction.ASC, words);
  }

  String order(String alias) {
    return alias + column.name() + " " + direction.name();
  }

  /** "longest book in English", "book in English with the highest number of pages". */
  String one(Table table, String clause) {
    return words
        .map(adjective -> adjective + " " + table.singular() + clause)
        .orElseGet(() -> table.singular() + clause + " " + value());
  }

  String many(Table table, int count) {
    return words
        .map(adjective -> count + " " + adjective + " " + table.plural())
        .orElseGet(
            () ->
                count
                    + " "
                    + table.plural()
                    + " with the "
                    + height()
                    + " "
                    + English.plural(column.words()));
  }

  private String value() {
    return "with the " + height() + " " + column.words();
  }

  private String height() {
    boolean year = column.kind() instanceof Kind.Year;
    return switch (direction) {
      case ASC -> year ? "earliest" : "lowest";
      case DESC -> year ? "latest" : "highest";
    };
  }

  /** Rows that are "largest" by two columns need the column's name. */
  private static boolean isTheOnly(Table table, Column column, boolean most) {
    String wanted = adjective(column, most);
    return table.measures().stream().filter(other -> adjective(other, most).equals(wanted)).count()
        == 1;
  }

  private static String adjective(Column column, boolean most) {
    return ((Kind.Measure) column.kind())
        .superlatives()
        .map(known -> most ? known.most() : known.least())
        .orElse("");
  }

  /** Which way rows are ordered. The names are SQL's. */
  enum Direction {
    ASC,
    DESC;

    static Direction any(SeededRandom random) {
      return random.chance(0.5) ? ASC : DESC;
    }

    String words(Column by, SeededRandom random) {
      String lead = random.pick(" ordered by ", " sorted by ");
      return switch (this) {
        case ASC ->
            lead
                + by.words()
                + random.pick(" from lowest to highest", " in ascending order", ", lowest first");
        case DESC ->
            lead
                + by.words()
                + random.pick(" from highest to lowest", " in descending order", ", highest first");
      };
    }
  }
}
