package org.sparkfinetune.inference.evaluate;

import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict.Kind;
import org.sparkfinetune.inference.evaluate.Sqlite.Limit;
import org.sparkfinetune.inference.evaluate.Sqlite.Result;

/**
 * Runs an expected and a generated query on made-up databases of a schema and compares results.
 * Rows may come in any order unless the expected query has an ORDER BY; columns may be named in any
 * way but have to be the same, in the same order. Safe for any number of threads.
 *
 * <p>Whether a sample can be judged is decided before the generated query is looked at: by running
 * the expected query on databases that are made from it alone, with a limit of steps and not of
 * time. So all models are measured on the same samples, on any machine.
 */
public final class SqlJudge {
  private static final int DATABASES = 5;

  /** More are tried while the expected query finds nothing. */
  private static final int MOST_DATABASES = 12;

  /** A second or two. The expected query of a sample ends, or not, the same everywhere. */
  private static final long EXPECTED_STEPS = 100_000_000;

  private static final Set<String> QUERY_WORDS = Set.of("select", "with", "values");

  private final Duration timeLimit;

  /**
   * @param timeLimit of one generated query on one database
   */
  public SqlJudge(Duration timeLimit) {
    this.timeLimit = timeLimit;
  }

  /** With the time limit that {@code evaluate} uses. */
  public static SqlJudge standard() {
    return new SqlJudge(Duration.ofSeconds(2));
  }

  /**
   * Judges one query.
   *
   * @param schema CREATE TABLE statements
   */
  public Verdict judge(String schema, String expected, String generated) {
    return unjudged(schema, expected)
        .or(() -> noQuery(generated))
        .orElseGet(() -> compared(schema, expected, generated));
  }

  /** Why nothing can be said about any query. */
  private Optional<Verdict> unjudged(String schema, String expected) {
    for (int seed = 0; seed < DATABASES; seed++) {
      try {
        filled(schema, expected, List.of(expected), seed).close();
      } catch (SQLException | Limit e) {
        return Optional.of(new Verdict(Kind.UNJUDGED, "the expected query: " + message(e)));
      }
    }
    return Optional.empty();
  }

  /** What is wrong with a text that is not one query. */
  private static Optional<Verdict> noQuery(String generated) {
    List<List<SqlText.Token>> statements = SqlText.statements(generated);
    if (statements.isEmpty()) {
      return Optional.of(new Verdict(Kind.SYNTAX_ERROR, "there is no query"));
    }
    if (statements.size() > 1) {
      return Optional.of(new Verdict(Kind.NOT_A_QUERY, statements.size() + " statements"));
    }
    String first = statements.get(0).get(0).text();
    if (first.matches(
        "(?i)attach|detach|pragma|insert|update|delete|replace|drop|alter|create|vacuum|begin|commit|reindex|analyze|explain|savepoint|release|rollback|end")) {
      return Optional.of(
          new Verdict(Kind.NOT_A_QUERY, "a " + first.toUpperCase(Locale.ROOT) + " statement"));
    }
    if (!QUERY_WORDS.contains(first.toLowerCase(Locale.ROOT)) && !first.equals("(")) {
      return Optional.of(
          new Verdict(Kind.SYNTAX_ERROR, "a query begins with SELECT, not '" + first + "'"));
    }
    return Optional.empty();
  }

  private Verdict compared(String schema, String expected, String generated) {
    boolean foundRows = false;
    for (int seed = 0; seed < (foundRows ? DATABASES : MOST_DATABASES); seed++) {
      Comparison comparison = compare(schema, expected, generated, seed);
      if (!comparison.verdict().isMatch()) {
        return comparison.verdict();
      }
      foundRows |= comparison.foundRows();
    }
    return new Verdict(Kind.MATCH, foundRows ? "" : "no database gave any rows");
  }

  private record Comparison(Verdict verdict, boolean foundRows) {
    /** Nothing speaks against a match, and nothing for it. */
    static final Comparison NO_EVIDENCE = new Comparison(new Verdict(Kind.MATCH, ""), false);
  }

  private static Comparison decided(Kind kind, String reason) {
    return new Comparison(new Verdict(kind, reason), false);
  }

  private Comparison compare(String schema, String expected, String generated, int seed) {
    // The expected query may fail on the generated query's values, as a sum that overflows.
    for (List<String> queries : List.of(List.of(expected, generated), List.of(expected))) {
      try (Filled filled = filled(schema, expected, queries, seed)) {
        Result made;
        try {
          made = filled.database().query(generated, timeLimit);
        } catch (Limit e) {
          return decided(e.kind(), message(e));
        } catch (SQLException e) {
          return decided(kind(message(e)), message(e));
        }
        return compare(schema, expected, filled.rows(), filled.right(), made);
      } catch (SQLException | Limit e) {
        continue;
      }
    }
    return Comparison.NO_EVIDENCE;
  }

  /**
   * A database with rows.
   *
   * @param right the expected query's result
   */
  private record Filled(Sqlite database, List<RowMaker.Rows> rows, Result right)
      implements AutoCloseable {
    @Override
    public void close() throws SQLException {
      database.close();
    }
  }

  /**
   * @param queries whose literals turn up in rows
   */
  private static Filled filled(String schema, String expected, List<String> queries, int seed)
      throws SQLException, Limit {
    Sqlite database = Sqlite.inMemory();
    try {
      createTables(database, schema);
      List<RowMaker.Rows> rows = fill(database, queries, seed);
      return new Filled(database, rows, database.query(expected, EXPECTED_STEPS));
    } catch (SQLException | Limit | RuntimeException e) {
      database.close();
      throw e;
    }
  }

  private static Comparison compare(
      String schema, String expected, List<RowMaker.Rows> rows, Result right, Result made) {
    boolean found = !right.rows().isEmpty() && !isOneEmptyRow(right);
    if (right.columns() != made.columns()) {
      return decided(
          Kind.OTHER_COLUMNS, "%s columns, expected %s".formatted(made.columns(), right.columns()));
    }
    boolean ordered = SqlText.isOrdered(expected);
    if (ordered ? right.rows().equals(made.rows()) : counted(right).equals(counted(made))) {
      return new Comparison(new Verdict(Kind.MATCH, ""), found);
    }
    Optional<Result> again = onShuffledRows(schema, expected, rows);
    boolean sameRows = counted(right).equals(counted(made));
    if (again.isEmpty()
        || !counted(again.get()).equals(counted(right))
        || (sameRows && !again.get().rows().equals(right.rows()))) {
      // The expected query itself may give either, as with LIMIT among equals: it tells nothing.
      return Comparison.NO_EVIDENCE;
    }
    return sameRows
        ? decided(Kind.OTHER_ORDER, "the same rows in another order")
        : decided(Kind.OTHER_ROWS, difference(right, made));
  }

  /** What SUM and MAX give for nothing: no evidence that a condition is right. */
  private static boolean isOneEmptyRow(Result result) {
    return result.rows().size() == 1
        && result.rows().get(0).stream().allMatch(v -> v == null || v.equals(0.0));
  }

  private static Optional<Result> onShuffledRows(
      String schema, String expected, List<RowMaker.Rows> rows) {
    try (Sqlite database = Sqlite.inMemory()) {
      createTables(database, schema);
      new RowMaker(database.connection(), new Literals(Set.of(), List.of()), 0)
          .insert(RowMaker.shuffled(rows, 1));
      return Optional.of(database.query(expected, EXPECTED_STEPS));
    } catch (SQLException | Limit e) {
      return Optional.empty();
    }
  }

  private static void createTables(Sqlite database, String schema) throws SQLException {
    for (String statement : SchemaText.createTables(schema)) {
      database.execute(statement);
    }
  }

  private static List<RowMaker.Rows> fill(Sqlite database, List<String> queries, int seed)
      throws SQLException {
    List<RowMaker.Column> columns = RowMaker.columns(database.connection());
    Set<String> names =
        columns.stream().map(c -> c.name().toLowerCase(Locale.ROOT)).collect(Collectors.toSet());
    RowMaker maker =
        new RowMaker(database.connection(), new Literals(names, queries), 7919L * seed + 17);
    List<RowMaker.Rows> rows = maker.make(columns);
    maker.insert(rows);
    database.closeForWriting();
    return rows;
  }

  private static Map<List<@Nullable Object>, Integer> counted(Result result) {
    Map<List<@Nullable Object>, Integer> counts = new HashMap<>();
    result.rows().forEach(row -> counts.merge(row, 1, Integer::sum));
    return counts;
  }

  private static String difference(Result right, Result made) {
    Map<List<@Nullable Object>, Integer> missing = counted(right);
    made.rows().forEach(row -> missing.merge(row, -1, Integer::sum));
    String example =
        missing.entrySet().stream()
            .filter(entry -> entry.getValue() != 0)
            .map(entry -> (entry.getValue() > 0 ? "missing " : "extra ") + entry.getKey())
            .sorted()
            .findFirst()
            .orElse("");
    String shown = example.length() > 120 ? example.substring(0, 120) + "…" : example;
    return "%s rows, expected %s: %s".formatted(made.rows().size(), right.rows().size(), shown);
  }

  private static Kind kind(String message) {
    String text = message.toLowerCase(Locale.ROOT);
    if (text.contains("no such column")) {
      return Kind.UNKNOWN_COLUMN;
    }
    if (text.contains("no such table")) {
      return Kind.UNKNOWN_TABLE;
    }
    if (text.contains("syntax error")
        || text.contains("incomplete input")
        || text.contains("unrecognized token")) {
      return Kind.SYNTAX_ERROR;
    }
    if (text.contains("readonly") || text.contains("query does not return")) {
      return Kind.NOT_A_QUERY;
    }
    return text.contains("too big") || text.contains("toobig") || text.contains("out of memory")
        ? Kind.TOO_LARGE
        : Kind.FAILED;
  }

  /** sqlite-jdbc's messages carry a code in front and a hint behind. */
  private static String message(Exception e) {
    String text = String.valueOf(e.getMessage());
    String inner = text.replaceFirst("(?s)^\\[SQLITE_[A-Z_]+\\]\\s*[^(]*\\((.*)\\)\\s*$", "$1");
    return inner.replaceAll("\\s+", " ").strip();
  }
}
