package org.sparkfinetune.inference.evaluate;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Fills tables with rows made from their schema. Columns of the same name draw from the same few
 * values, so that joins find partners; a column that a query compares with a literal has that
 * literal and its neighbours among its values.
 */
final class RowMaker {
  private static final int ROWS = 24;
  private static final List<String> WORDS =
      List.of("alpha", "Beta", "gamma", "delta", "Omega", "north", "South", "x");

  private final Connection database;
  private final Literals literals;
  private final Random random;

  RowMaker(Connection database, Literals literals, long seed) {
    this.database = database;
    this.literals = literals;
    this.random = new Random(seed);
  }

  /**
   * A column.
   *
   * @param type as declared, in upper case
   */
  record Column(String table, String name, String type, boolean key) {
    boolean isNumber() {
      return type.matches(".*(INT|NUM|DEC|REAL|FLOA|DOUB|BOOL|YEAR|MONEY).*");
    }

    boolean isReal() {
      return type.matches(".*(DEC|REAL|FLOA|DOUB|MONEY).*");
    }
  }

  static List<Column> columns(Connection database) throws SQLException {
    List<Column> columns = new ArrayList<>();
    try (Statement statement = database.createStatement();
        ResultSet rows =
            statement.executeQuery(
                "SELECT m.name, c.name, c.type, c.pk FROM sqlite_master m,"
                    + " pragma_table_info(m.name) c WHERE m.type = 'table'"
                    + " AND m.name NOT LIKE 'sqlite_%' ORDER BY m.rowid, c.cid")) {
      while (rows.next()) {
        String type = rows.getString(3) == null ? "" : rows.getString(3);
        columns.add(
            new Column(
                rows.getString(1),
                rows.getString(2),
                type.toUpperCase(Locale.ROOT),
                rows.getInt(4) > 0));
      }
    }
    return columns;
  }

  /** A table's rows, to be inserted in any order. */
  record Rows(String table, int width, List<List<@Nullable Object>> rows) {}

  List<Rows> make(List<Column> columns) {
    List<Rows> tables = new ArrayList<>();
    for (String table : columns.stream().map(Column::table).distinct().toList()) {
      List<Column> own = columns.stream().filter(c -> c.table().equals(table)).toList();
      int count = ROWS - random.nextInt(ROWS / 3);
      List<List<@Nullable Object>> rows = new ArrayList<>();
      for (int row = 0; row < count; row++) {
        rows.add(row(own, row));
      }
      tables.add(new Rows(table, own.size(), rows));
    }
    return tables;
  }

  void insert(List<Rows> tables) throws SQLException {
    for (Rows table : tables) {
      String places = String.join(", ", Collections.nCopies(table.width(), "?"));
      String name = table.table().replace("\"", "\"\"");
      try (PreparedStatement insert =
          database.prepareStatement(
              "INSERT OR IGNORE INTO \"%s\" VALUES (%s)".formatted(name, places))) {
        for (List<@Nullable Object> row : table.rows()) {
          for (int i = 0; i < row.size(); i++) {
            insert.setObject(i + 1, row.get(i));
          }
          insert.executeUpdate();
        }
      }
    }
  }

  /** The same rows in another order. */
  static List<Rows> shuffled(List<Rows> tables, long seed) {
    Random random = new Random(seed);
    return tables.stream()
        .map(
            table -> {
              List<List<@Nullable Object>> rows = new ArrayList<>(table.rows());
              Collections.shuffle(rows, random);
              return new Rows(table.table(), table.width(), rows);
            })
        .collect(Collectors.toList());
  }

  private List<@Nullable Object> row(List<Column> columns, int number) {
    List<@Nullable Object> row = new ArrayList<>();
    for (Column column : columns) {
      row.add(column.key() && column.isNumber() ? Integer.valueOf(number + 1) : value(column));
    }
    return row;
  }

  private @Nullable Object value(Column column) {
    List<String> own = literals.of(column.name());
    int dice = random.nextInt(100);
    if (dice < 4 && !column.key()) {
      return null;
    }
    if (!own.isEmpty() && dice < 55) {
      return near(own.get(random.nextInt(own.size())), column);
    }
    if (dice < 62) {
      List<String> any = column.isNumber() ? literals.numbers() : literals.texts();
      if (!any.isEmpty()) {
        return near(any.get(random.nextInt(any.size())), column);
      }
    }
    return plain(column);
  }

  private Object plain(Column column) {
    // Few values of a name's own, so that equal names join and groups have several rows.
    int pick = random.nextInt(9);
    if (column.isReal()) {
      return random.nextInt(40) * 0.5 + 0.25;
    }
    if (column.isNumber()) {
      return column.name().toLowerCase(Locale.ROOT).endsWith("id")
          ? Integer.valueOf(1 + pick)
          : Integer.valueOf(random.nextInt(100));
    }
    String name = column.name().toLowerCase(Locale.ROOT);
    if (name.contains("date") || column.type().contains("DATE")) {
      return String.format(
          Locale.ROOT, "20%02d-%02d-%02d", 15 + pick, 1 + pick, 1 + random.nextInt(28));
    }
    return pick == 8 ? Integer.toString(random.nextInt(100)) : WORDS.get(pick % WORDS.size());
  }

  /** The literal, or something that a wrong comparison takes for it. */
  private Object near(String literal, Column column) {
    int dice = random.nextInt(10);
    if (literal.matches("-?\\d+(\\.\\d+)?")) {
      double number = Double.parseDouble(literal);
      double value = dice < 6 ? number : dice < 8 ? number + 1 : number - 1;
      return number(value, column);
    }
    String text = literal.replaceAll("[%_]+", dice % 2 == 0 ? "" : "q");
    if (dice < 6) {
      return text;
    }
    return switch (dice) {
      case 6 -> text.toUpperCase(Locale.ROOT);
      case 7 -> text + "z";
      case 8 -> "a" + text;
      default -> text.isEmpty() ? text : text.substring(0, text.length() - 1);
    };
  }

  private static Object number(double value, Column column) {
    boolean whole = value == Math.rint(value) && Math.abs(value) < 1e15;
    Object number = whole ? (Object) Long.valueOf((long) value) : (Object) Double.valueOf(value);
    return column.isNumber() ? number : number.toString();
  }
}
