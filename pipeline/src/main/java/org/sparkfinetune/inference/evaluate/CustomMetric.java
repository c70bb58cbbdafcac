package org.sparkfinetune.inference.evaluate;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.OptionalDouble;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;

/**
 * A metric of the user's: SQL over {@code prompt}, {@code expected} and {@code answer}, whose NULL
 * leaves a sample out, or a class of the class path. The SQL is SQLite's, because whoever judges
 * has no Spark session: a rank of a training run, or a task of {@code evaluate}.
 */
public final class CustomMetric {
  private static final String CLASS = "class:";

  private CustomMetric() {}

  /**
   * @param definition SQL, or {@code class:} and the name of an {@link AnswerMetric} that has a
   *     constructor without arguments
   * @throws UserError if it is neither
   */
  public static AnswerMetric of(String name, String definition) {
    AnswerMetric metric =
        definition.startsWith(CLASS)
            ? ofClass(name, definition.substring(CLASS.length()).strip())
            : new Sql(name, definition);
    if (metric instanceof Sql sql) {
      sql.check();
    }
    return metric;
  }

  private static AnswerMetric ofClass(String name, String type) {
    try {
      Class<?> found = Class.forName(type, true, Thread.currentThread().getContextClassLoader());
      return new Named(
          name, found.asSubclass(AnswerMetric.class).getDeclaredConstructor().newInstance());
    } catch (ReflectiveOperationException | ClassCastException | LinkageError e) {
      throw new UserError(
          "eval_custom_metrics: %s is class:%s, which cannot be made (%s). It has to be a public class on the class path (spark-submit --jars) that implements %s and has a public constructor without arguments."
              .formatted(name, type, e, AnswerMetric.class.getName()),
          e);
    }
  }

  /** A class's own name is not asked for. */
  private record Named(String name, AnswerMetric metric) implements AnswerMetric {
    @Override
    public OptionalDouble score(AnsweredSample sample) {
      return metric.score(sample);
    }
  }

  private record Sql(String name, String expression) implements AnswerMetric {
    void check() {
      try (Sqlite database = Sqlite.inMemory()) {
        score(database.connection(), "", "", "");
      } catch (SQLException e) {
        throw new UserError(
            "eval_custom_metrics: %s is \"%s\", which SQLite does not take: %s. It has to be one expression over prompt, expected and answer, such as answer = expected."
                .formatted(name, expression, e.getMessage()),
            e);
      }
    }

    @Override
    public OptionalDouble score(AnsweredSample sample) {
      try (Sqlite database = Sqlite.inMemory()) {
        return score(database.connection(), sample.prompt(), sample.expected(), sample.answer());
      } catch (SQLException e) {
        throw new RunFailure(
            "eval_custom_metrics: %s (%s) failed: %s. The answer was \"%s\"."
                .formatted(name, expression, e.getMessage(), sample.answer()),
            e);
      }
    }

    private OptionalDouble score(
        Connection connection, String prompt, String expected, String answer) throws SQLException {
      String query =
          "SELECT (%s) FROM (SELECT ? AS prompt, ? AS expected, ? AS answer)".formatted(expression);
      try (PreparedStatement statement = connection.prepareStatement(query)) {
        statement.setString(1, prompt);
        statement.setString(2, expected);
        statement.setString(3, answer);
        try (ResultSet rows = statement.executeQuery()) {
          rows.next();
          double value = rows.getDouble(1);
          return rows.wasNull() ? OptionalDouble.empty() : OptionalDouble.of(value);
        }
      }
    }
  }
}
