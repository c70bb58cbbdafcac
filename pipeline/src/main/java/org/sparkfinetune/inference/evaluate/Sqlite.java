package org.sparkfinetune.inference.evaluate;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;
import org.sqlite.ProgressHandler;
import org.sqlite.SQLiteConfig;
import org.sqlite.SQLiteConfig.Pragma;

/**
 * A database in memory that nothing leaves: no files can be attached, no extension loaded, and once
 * closed for writing only read. Queries end at limits of time, rows and bytes.
 */
final class Sqlite implements AutoCloseable {
  static final int MAX_ROWS = 20_000;
  private static final int MAX_VALUE_BYTES = 1_000_000;
  private static final int STEPS_BETWEEN_CHECKS = 20_000;

  private final Connection connection;

  /** A query ran into a limit. */
  static final class Limit extends Exception {
    private static final long serialVersionUID = 1L;
    private final Verdict.Kind kind;

    Limit(Verdict.Kind kind, String message) {
      super(message);
      this.kind = kind;
    }

    Verdict.Kind kind() {
      return kind;
    }
  }

  /**
   * A query's result.
   *
   * @param rows values as Long, Double, String, byte[] or null
   */
  record Result(int columns, List<List<@Nullable Object>> rows) {}

  private Sqlite(Connection connection) {
    this.connection = connection;
  }

  static Sqlite inMemory() throws SQLException {
    SQLiteConfig config = new SQLiteConfig();
    config.enableLoadExtension(false);
    config.setPragma(Pragma.LIMIT_ATTACHED, "0");
    config.setPragma(Pragma.LIMIT_LENGTH, Integer.toString(MAX_VALUE_BYTES));
    config.setPragma(Pragma.LIMIT_SQL_LENGTH, "100000");
    config.setPragma(Pragma.LIMIT_EXPR_DEPTH, "200");
    return new Sqlite(config.createConnection("jdbc:sqlite::memory:"));
  }

  Connection connection() {
    return connection;
  }

  void execute(String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  void closeForWriting() throws SQLException {
    execute("PRAGMA query_only = ON");
  }

  /** The result, unless the query takes longer. */
  Result query(String sql, Duration timeLimit) throws SQLException, Limit {
    long deadline = System.nanoTime() + timeLimit.toNanos();
    return query(
        sql,
        () -> System.nanoTime() > deadline,
        "still running after %s ms".formatted(timeLimit.toMillis()));
  }

  /** The result, unless the query takes more instructions of SQLite's virtual machine. */
  Result query(String sql, long steps) throws SQLException, Limit {
    long[] left = {steps};
    return query(
        sql,
        () -> (left[0] -= STEPS_BETWEEN_CHECKS) < 0,
        String.format(Locale.ROOT, "still running after %,d steps", steps));
  }

  private Result query(String sql, BooleanSupplier isOver, String message)
      throws SQLException, Limit {
    boolean[] late = {false};
    ProgressHandler.setHandler(
        connection,
        STEPS_BETWEEN_CHECKS,
        new ProgressHandler() {
          @Override
          protected int progress() {
            late[0] |= isOver.getAsBoolean();
            return late[0] ? 1 : 0;
          }
        });
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      return read(rows);
    } catch (SQLException e) {
      if (late[0]) {
        throw new Limit(Verdict.Kind.TIME_OUT, message);
      }
      throw e;
    } finally {
      ProgressHandler.clearHandler(connection);
    }
  }

  private static Result read(ResultSet rows) throws SQLException, Limit {
    int columns = rows.getMetaData().getColumnCount();
    List<List<@Nullable Object>> all = new ArrayList<>();
    while (rows.next()) {
      if (all.size() == MAX_ROWS) {
        throw new Limit(Verdict.Kind.TOO_LARGE, "more than %s rows".formatted(MAX_ROWS));
      }
      List<@Nullable Object> row = new ArrayList<>();
      for (int i = 1; i <= columns; i++) {
        row.add(value(rows.getObject(i)));
      }
      all.add(row);
    }
    return new Result(columns, all);
  }

  /** 5 and 5.0 are the same, and the last places of a sum depend on its order. */
  private static @Nullable Object value(@Nullable Object value) {
    if (value instanceof Integer || value instanceof Long) {
      return ((Number) value).doubleValue();
    }
    if (value instanceof Double number) {
      return Double.isFinite(number) && number != 0
          ? new java.math.BigDecimal(number).round(new java.math.MathContext(10)).doubleValue()
          : 0.0 + number;
    }
    return value instanceof byte[] bytes ? "blob " + java.util.Arrays.toString(bytes) : value;
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
