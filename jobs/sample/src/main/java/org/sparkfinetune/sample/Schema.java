package org.sparkfinetune.sample;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** A database: tables and how they refer to each other. */
record Schema(String name, List<Table> tables) {

  /** Rows of {@code child} hold the id of a row of {@code parent}. */
  record Link(Table child, Column key, Table parent) {
    String relation() {
      return ((Kind.Reference) key.kind()).relation();
    }
  }

  List<Link> links() {
    List<Link> links = new ArrayList<>();
    for (Table child : tables) {
      for (Column key : child.references()) {
        String parent = ((Kind.Reference) key.kind()).table();
        links.add(new Link(child, key, table(parent)));
      }
    }
    return links;
  }

  Table table(String wanted) {
    return tables.stream().filter(table -> table.name().equals(wanted)).findFirst().orElseThrow();
  }

  /**
   * @param people its rows are people, who are spoken of with "who"
   */
  record Table(String name, String singular, String plural, boolean people, List<Column> columns) {

    /** Columns that say something about a row: all but its id and its references. */
    List<Column> descriptions() {
      return columns.stream().filter(Column::isDescription).toList();
    }

    Optional<Column> label() {
      return columns.stream().filter(column -> column.kind() instanceof Kind.Label).findFirst();
    }

    List<Column> categories() {
      return columns.stream().filter(column -> column.kind() instanceof Kind.Category).toList();
    }

    List<Column> measures() {
      return columns.stream().filter(column -> column.kind() instanceof Kind.Measure).toList();
    }

    /** Measures that can be added up: years cannot. */
    List<Column> amounts() {
      return measures().stream().filter(column -> !(column.kind() instanceof Kind.Year)).toList();
    }

    List<Column> references() {
      return columns.stream().filter(column -> column.kind() instanceof Kind.Reference).toList();
    }

    Column id() {
      return columns.get(0);
    }

    String who() {
      return people ? "who" : "that";
    }
  }

  /**
   * @param words how English says it, in the singular
   */
  record Column(String name, String words, Kind kind) {
    boolean isDescription() {
      return !(kind instanceof Kind.Id || kind instanceof Kind.Reference);
    }
  }

  /** What a column holds, as far as questions and queries depend on it. */
  sealed interface Kind {
    String sqlType();

    /** The number that identifies a row. */
    record Id() implements Kind {
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
    record Reference(String table, String relation) implements Kind {
      @Override
      public String sqlType() {
        return "INTEGER";
      }
    }

    /** What a row is called by. */
    record Label(List<String> values) implements Kind {
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
    record Category(List<String> values, Optional<String> clause) implements Kind {
      @Override
      public String sqlType() {
        return "TEXT";
      }
    }

    /** Something to compare, order and aggregate by. */
    sealed interface Measure extends Kind {
      Optional<Superlatives> superlatives();

      /** A value from the inner part of the range, as SQL and English write it. */
      String draw(SeededRandom random);
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
      public String draw(SeededRandom random) {
        int steps = (high - low) / step;
        int margin = Math.max(1, steps / 8);
        int drawn = low + step * random.between(margin, steps - margin);
        return Integer.toString(unit.isPresent() ? Math.max(2, drawn) : drawn);
      }
    }

    record Real(int low, int high, Optional<Superlatives> superlatives) implements Measure {
      @Override
      public String sqlType() {
        return "REAL";
      }

      @Override
      public String draw(SeededRandom random) {
        int whole = random.between(low, high - 1);
        return random.chance(0.6)
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
      public String draw(SeededRandom random) {
        int margin = (high - low) / 8;
        return Integer.toString(random.between(low + margin, high - margin));
      }
    }
  }
}
