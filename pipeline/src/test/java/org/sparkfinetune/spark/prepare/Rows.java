package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/** Input for tests. */
final class Rows {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private Rows() {}

  static Map<String, Object> sql(int i) {
    Map<String, Object> row = new TreeMap<>();
    row.put("question", "How many rows has table %d / Größe?".formatted(i));
    row.put("context", "CREATE TABLE t%d (a INT)".formatted(i));
    row.put("answer", "SELECT COUNT(*) FROM t%d".formatted(i));
    row.put("kind", "kind" + i % 3);
    return row;
  }

  static List<String> sqlLines(int count) {
    return IntStream.range(0, count).mapToObj(i -> json(sql(i))).toList();
  }

  static String json(Object value) {
    try {
      return MAPPER.writeValueAsString(value);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static String write(Path file, List<String> lines) throws IOException {
    Files.createDirectories(file.getParent());
    Files.write(file, lines);
    return file.toString();
  }

  /** The same lines in {@code files} files, dealt out in turns. */
  static void deal(Path folder, List<String> lines, int files) throws IOException {
    List<List<String>> hands = new ArrayList<>();
    IntStream.range(0, files).forEach(i -> hands.add(new ArrayList<>()));
    IntStream.range(0, lines.size()).forEach(i -> hands.get(i % files).add(lines.get(i)));
    for (int i = 0; i < files; i++) {
      write(folder.resolve("rows-%02d.jsonl".formatted(i)), hands.get(i));
    }
  }
}
