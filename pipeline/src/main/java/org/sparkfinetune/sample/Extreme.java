package org.sparkfinetune.sample;

import java.util.Optional;

/**
 * The longest book, the three cheapest rooms.
 *
 * @param words before the noun; empty where one has to say "with the highest price" after it
 */
record Extreme(Column column, Direction direction, Optional<String> words) {

  /** Of any of {@code table}'s measures. */
  static Extreme any(Table table, Dice dice) {
    Column column = dice.pick(table.measures());
    boolean most = dice.chance(0.55);
    Optional<String> words =
        ((ColumnKind.Measure) column.kind())
            .superlatives()
            .filter(known -> isTheOnly(table, column, most) && dice.chance(0.5))
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
    boolean year = column.kind() instanceof ColumnKind.Year;
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
    return ((ColumnKind.Measure) column.kind())
        .superlatives()
        .map(known -> most ? known.most() : known.least())
        .orElse("");
  }
}
