package org.sparkfinetune.sample;

import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** What a column holds, as far as questions and queries depend on it. */
sealed interface ColumnKind {
  String sqlType();

  /** The number that identifies a row. */
  record Id() implements ColumnKind {
    @Override
    public String sqlType() {
      return "INTEGER";
    }
  }

  /**
   * The id of a row of another table.
   *
   * @param relation between this row and that one: books <i>written by</i> an author
   */
  record Reference(String table, String relation) implements ColumnKind {
    @Override
    public String sqlType() {
      return "INTEGER";
    }
  }

  /** What a row is called by. */
  record Label(List<String> values) implements ColumnKind {
    @Override
    public String sqlType() {
      return "TEXT";
    }
  }

  /**
   * One of few values.
   *
   * @param clause says in fewer words that it is {@code {}}
   */
  record Category(List<String> values, Optional<String> clause) implements ColumnKind {
    @Override
    public String sqlType() {
      return "TEXT";
    }
  }

  /** Something to compare, order and aggregate by. */
  sealed interface Measure extends ColumnKind {
    Optional<Superlatives> superlatives();

    /** A value from the inner part of the range, as SQL and English write it. */
    String draw(Dice dice);
  }

  /** The book with most pages is the <i>longest</i>, the one with fewest the <i>shortest</i>. */
  record Superlatives(String most, String least) {}

  /**
   * A whole number.
   *
   * @param unit what is counted, where one says "more than 300 pages"
   */
  record Whole(
      int low, int high, int step, Optional<Superlatives> superlatives, Optional<String> unit)
      implements Measure {
    @Override
    public String sqlType() {
      return "INTEGER";
    }

    @Override
    public String draw(Dice dice) {
      int steps = (high - low) / step;
      int margin = Math.max(1, steps / 8);
      int drawn = low + step * dice.between(margin, steps - margin);
      return Integer.toString(unit.isPresent() ? Math.max(2, drawn) : drawn);
    }
  }

  record Real(int low, int high, Optional<Superlatives> superlatives) implements Measure {
    @Override
    public String sqlType() {
      return "REAL";
    }

    @Override
    public String draw(Dice dice) {
      int whole = dice.between(low, high - 1);
      return dice.chance(0.6)
          ? Integer.toString(whole)
          : String.format(Locale.ROOT, "%d.5", whole < 0 ? whole + 1 : whole);
    }
  }

  record Year(int low, int high, Optional<Superlatives> superlatives) implements Measure {
    @Override
    public String sqlType() {
      return "INTEGER";
    }

    @Override
    public String draw(Dice dice) {
      int margin = (high - low) / 8;
      return Integer.toString(dice.between(low + margin, high - margin));
    }
  }
}
