package org.sparkfinetune.sample;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.sample.Schema.Column;
import org.sparkfinetune.sample.Schema.Kind;
import org.sparkfinetune.sample.Schema.Table;

/** Reads {@code schemas.txt}; its head explains the format. */
final class SchemaFile {
  private final Map<String, List<String>> pools = new HashMap<>();
  private final List<Schema> schemas = new ArrayList<>();
  private List<Table> tables = new ArrayList<>();
  private List<Column> columns = new ArrayList<>();

  private SchemaFile() {}

  static List<Schema> read() {
    try (InputStream in = SchemaFile.class.getResourceAsStream("schemas.txt")) {
      if (in == null) {
        throw new Bug("The jar lacks the sample's schemas.txt.");
      }
      SchemaFile file = new SchemaFile();
      new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().forEach(file::line);
      return List.copyOf(file.schemas);
    } catch (IOException unreadable) {
      throw new UncheckedIOException(unreadable);
    }
  }

  private void line(String line) {
    if (line.isBlank() || line.startsWith("#")) {
      return;
    }
    if (line.startsWith("pool ")) {
      String[] parts = parts(line.substring(5));
      pools.put(parts[0], values(parts[1]));
    } else if (line.startsWith("schema ")) {
      tables = new ArrayList<>();
      schemas.add(new Schema(line.substring(7).strip(), tables));
    } else if (line.startsWith("table ")) {
      table(parts(line.substring(6)));
    } else {
      columns.add(column(parts(line)));
    }
  }

  private void table(String[] parts) {
    columns = new ArrayList<>();
    tables.add(new Table(parts[0], parts[1], parts[2], parts.length > 3, columns));
  }

  private Column column(String[] parts) {
    int equals = parts[0].indexOf('=');
    String name = equals < 0 ? parts[0] : parts[0].substring(0, equals);
    String words = equals < 0 ? name.replace('_', ' ') : parts[0].substring(equals + 1);
    Kind kind = kind(parts);
    if (kind instanceof Kind.Whole whole && whole.unit().isPresent()) {
      words = "number of " + whole.unit().get();
    }
    return new Column(name, words, kind);
  }

  private Kind kind(String[] parts) {
    return switch (parts[1]) {
      case "id" -> new Kind.Id();
      case "ref" -> new Kind.Reference(parts[2], parts[3]);
      case "label" -> new Kind.Label(values(parts[2]));
      case "cat" -> new Kind.Category(values(parts[2]), optional(parts, 3));
      case "num" ->
          new Kind.Whole(
              number(parts, 0),
              number(parts, 1),
              number(parts, 2),
              superlatives(parts),
              optional(parts, 4));
      case "real" -> new Kind.Real(number(parts, 0), number(parts, 1), superlatives(parts));
      case "year" -> new Kind.Year(number(parts, 0), number(parts, 1), superlatives(parts));
      default -> throw new Bug("schemas.txt has a column of kind '%s'.".formatted(parts[1]));
    };
  }

  private List<String> values(String text) {
    return text.startsWith("@")
        ? pools.getOrDefault(text.substring(1), List.of())
        : Arrays.stream(text.split(";", -1)).map(String::strip).toList();
  }

  private static Optional<Kind.Superlatives> superlatives(String[] parts) {
    return optional(parts, 3)
        .map(words -> words.split(", ", -1))
        .map(both -> new Kind.Superlatives(both[0], both[1]));
  }

  private static Optional<String> optional(String[] parts, int at) {
    return at < parts.length ? Optional.of(parts[at]) : Optional.empty();
  }

  private static int number(String[] parts, int at) {
    return Integer.parseInt(parts[2].split(" ", -1)[at]);
  }

  private static String[] parts(String line) {
    return Arrays.stream(line.split("\\|", -1)).map(String::strip).toArray(String[]::new);
  }
}
