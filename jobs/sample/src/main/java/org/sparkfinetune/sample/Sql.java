package org.sparkfinetune.sample;

import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.sparkfinetune.sample.Schema.Column;
import org.sparkfinetune.sample.Schema.Table;

/** How the sample writes SQL, and what is left of a query without its names and values. */
final class Sql {
  private static final Pattern TOKEN =
      Pattern.compile("'(?:[^']|'')*'|[A-Za-z_][A-Za-z_0-9]*|-?[0-9]+(?:\\.[0-9]+)?|\\S");
  private static final Set<String> KEYWORDS =
      Set.of(
          "SELECT",
          "DISTINCT",
          "FROM",
          "AS",
          "JOIN",
          "ON",
          "WHERE",
          "AND",
          "OR",
          "NOT",
          "IN",
          "BETWEEN",
          "LIKE",
          "IS",
          "NULL",
          "GROUP",
          "BY",
          "HAVING",
          "ORDER",
          "ASC",
          "DESC",
          "LIMIT",
          "INTERSECT",
          "EXCEPT",
          "UNION",
          "COUNT",
          "SUM",
          "AVG",
          "MIN",
          "MAX",
          "T1",
          "T2",
          "T3");

  private Sql() {}

  static String text(String value) {
    return "'" + value.replace("'", "''") + "'";
  }

  /**
   * The query with every name as {@code _}, every text as {@code 's'} and every number as {@code
   * 0}: queries that ask in the same way about something else have equal skeletons.
   */
  static String skeleton(String query) {
    StringBuilder skeleton = new StringBuilder();
    Matcher token = TOKEN.matcher(query);
    while (token.find()) {
      skeleton.append(skeleton.isEmpty() ? "" : " ").append(masked(token.group()));
    }
    return skeleton.toString();
  }

  private static String masked(String token) {
    if (token.startsWith("'")) {
      return "'s'";
    }
    if (token.matches("-?[0-9].*")) {
      return "0";
    }
    String upper = token.toUpperCase(Locale.ROOT);
    return token.matches("[A-Za-z_].*") && !KEYWORDS.contains(upper) ? "_" : upper;
  }

  /** The names of tables and columns in {@code query}. */
  static Set<String> names(String query) {
    return TOKEN
        .matcher(query)
        .results()
        .map(MatchResult::group)
        .filter(token -> !token.startsWith("'"))
        .collect(Collectors.toSet());
  }

  /** {@code CREATE TABLE} with the columns of {@code table} that are in {@code kept}. */
  static String createTable(Table table, List<Column> kept) {
    List<String> columns =
        table.columns().stream()
            .filter(kept::contains)
            .map(column -> column.name() + " " + column.kind().sqlType())
            .toList();
    return "CREATE TABLE " + table.name() + " (" + String.join(", ", columns) + ")";
  }
}
