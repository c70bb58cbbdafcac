package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.sparkfinetune.errors.UserError;

/** Puts file, command line and defaults together: the command line wins over the file. */
final class Resolver {

  private record Read(Object value, Given given) {}

  private final KeyTable table;

  Resolver(KeyTable table) {
    this.table = table;
  }

  Values resolve(List<Given> file, List<Given> commandLine) {
    Map<Key<?>, Read> read = read(file);
    read.putAll(read(commandLine));
    refuseMissing(read);
    Map<Key<?>, Object> values = new LinkedHashMap<>();
    Map<Key<?>, Place> places = new LinkedHashMap<>();
    for (Key<?> key : table.keys()) {
      Read entry = read.get(key);
      if (entry != null) {
        values.put(key, entry.value);
      } else {
        key.otherwise().ifPresent(value -> values.put(key, value));
      }
      if (entry != null && !(entry.given.value() instanceof Raw.Nothing)) {
        places.put(key, entry.given.place());
      }
    }
    return new Values(values, places);
  }

  private Map<Key<?>, Read> read(List<Given> source) {
    Map<Key<?>, Read> read = new LinkedHashMap<>();
    for (Given given : flat("", source)) {
      Key<?> key = table.key(given.spelling(), given.place());
      Read now = new Read(key.read(given.value()), given);
      Read earlier = read.putIfAbsent(key, now);
      if (earlier != null && !earlier.value.equals(now.value)) {
        throw new UserError(
            "%s: %s is %s, but %s was %s at %s; keep one of the two"
                .formatted(
                    given.place(),
                    given.spelling(),
                    given.value(),
                    earlier.given.spelling(),
                    earlier.given.value(),
                    earlier.given.place()));
      }
    }
    return read;
  }

  /** The entries of mappings as keys with dots. */
  private List<Given> flat(String prefix, List<Given> source) {
    List<Given> flat = new ArrayList<>();
    for (Given given : source) {
      String name = prefix + given.spelling();
      if (!table.isGroup(name) || given.value() instanceof Raw.Nothing) {
        flat.add(new Given(name, given.value()));
      } else if (given.value() instanceof Raw.Fields fields) {
        flat.addAll(flat(name + ".", entries(fields)));
      } else {
        throw new UserError(
            "%s: %s is %s; allowed: a mapping with the keys %s"
                .formatted(given.place(), name, given.value(), table.groupMembers(name)));
      }
    }
    flat.removeIf(given -> table.isGroup(given.spelling()));
    return flat;
  }

  static List<Given> entries(Raw.Fields fields) {
    return fields.fields().entrySet().stream()
        .map(field -> new Given(field.getKey(), field.getValue()))
        .toList();
  }

  private void refuseMissing(Map<Key<?>, Read> read) {
    String missing =
        table.keys().stream()
            .filter(key -> key.otherwise().isEmpty() && !read.containsKey(key))
            .map(key -> "\n  --%s  %s".formatted(key.name(), key.doc()))
            .collect(Collectors.joining());
    if (!missing.isEmpty()) {
      throw new UserError(
          "%s needs these keys, in the YAML file or on the command line:%s"
              .formatted(table.command(), missing));
    }
  }
}
