package org.sparkfinetune.sample;

/** Which way rows are ordered. The names are SQL's. */
enum Direction {
  ASC,
  DESC;

  static Direction any(Dice dice) {
    return dice.chance(0.5) ? ASC : DESC;
  }

  String words(Column by, Dice dice) {
    String lead = dice.pick(" ordered by ", " sorted by ");
    return switch (this) {
      case ASC ->
          lead
              + by.words()
              + dice.pick(" from lowest to highest", " in ascending order", ", lowest first");
      case DESC ->
          lead
              + by.words()
              + dice.pick(" from highest to lowest", " in descending order", ", highest first");
    };
  }
}
