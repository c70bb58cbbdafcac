package org.sparkfinetune.sample;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.sparkfinetune.sample.SampleRows.Row;

/**
 * Preferences over queries: to a question the query that answers it, rather than the one most like
 * it that answers another question about the same tables.
 */
final class SamplePreferences {
  /** As {@code conf/prepare/sample.yaml} puts the tables before a question. */
  private static final String SYSTEM = "SCHEMA:\n";

  private SamplePreferences() {}

  /** One {@code {"system", "question", "chosen", "rejected"}} a line, of rows that have another. */
  static String jsonLines(List<Row> rows) {
    Map<String, List<Row>> byTables = rows.stream().collect(Collectors.groupingBy(Row::context));
    ObjectMapper json = new ObjectMapper();
    StringBuilder lines = new StringBuilder();
    for (Row row : rows) {
      mostAlike(row, byTables.getOrDefault(row.context(), List.of()))
          .ifPresent(other -> lines.append(jsonLine(row, other, json)).append('\n'));
    }
    return lines.toString();
  }

  private static Optional<Row> mostAlike(Row row, List<Row> others) {
    return others.stream()
        .filter(other -> !other.answer().equals(row.answer()))
        .max(
            Comparator.comparingInt((Row other) -> commonWords(row.answer(), other.answer()))
                .thenComparing(Row::answer));
  }

  private static int commonWords(String one, String other) {
    List<String> words = new ArrayList<>(Arrays.asList(one.split(" ")));
    int common = 0;
    for (String word : other.split(" ")) {
      common += words.remove(word) ? 1 : 0;
    }
    return common;
  }

  private static String jsonLine(Row row, Row other, ObjectMapper json) {
    Map<String, String> fields = new LinkedHashMap<>();
    fields.put("system", SYSTEM + row.context());
    fields.put("question", row.question());
    fields.put("chosen", row.answer());
    fields.put("rejected", other.answer());
    try {
      return json.writeValueAsString(fields);
    } catch (JsonProcessingException impossible) {
      throw new UncheckedIOException(impossible);
    }
  }
}
