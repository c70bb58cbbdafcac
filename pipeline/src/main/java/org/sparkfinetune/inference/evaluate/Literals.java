package org.sparkfinetune.inference.evaluate;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The values that some queries compare with: those near a column's name belong to it, all of them
 * may turn up anywhere.
 */
final class Literals {
  private final Map<String, Set<String>> ofColumn = new LinkedHashMap<>();
  private final Set<String> texts = new LinkedHashSet<>();
  private final Set<String> numbers = new LinkedHashSet<>();

  /**
   * @param columns names of all columns, in lower case
   */
  Literals(Set<String> columns, List<String> queries) {
    queries.forEach(query -> scan(columns, query));
  }

  private void scan(Set<String> columns, String query) {
    String column = "";
    List<String> before = new ArrayList<>();
    for (SqlText.Token token : SqlText.tokens(query)) {
      String name = token.content().toLowerCase(Locale.ROOT);
      boolean literal =
          token.kind() == SqlText.Kind.TEXT
              || token.kind() == SqlText.Kind.NUMBER
              || (token.kind() == SqlText.Kind.QUOTED && !columns.contains(name));
      if (literal) {
        (token.kind() == SqlText.Kind.NUMBER ? numbers : texts).add(token.content());
        if (column.isEmpty()) {
          before.add(token.content());
        } else {
          add(column, token.content());
        }
      } else if (columns.contains(name)) {
        column = name;
        // As in 5 < age.
        for (String value : before) {
          add(column, value);
        }
        before.clear();
      } else if (token.is("where") || token.is("having") || token.is("limit")) {
        column = "";
        before.clear();
      }
    }
  }

  private void add(String column, String value) {
    ofColumn.computeIfAbsent(column, name -> new LinkedHashSet<>()).add(value);
  }

  List<String> of(String column) {
    return List.copyOf(ofColumn.getOrDefault(column.toLowerCase(Locale.ROOT), Set.of()));
  }

  List<String> texts() {
    return List.copyOf(texts);
  }

  List<String> numbers() {
    return List.copyOf(numbers);
  }
}
