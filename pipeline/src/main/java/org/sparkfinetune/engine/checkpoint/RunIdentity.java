package org.sparkfinetune.engine.checkpoint;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What must be the same for a run to go on from a checkpoint: settings that shape the result, and
 * the hashes of model and data, by name.
 */
public record RunIdentity(Map<String, String> values) {
  public RunIdentity {
    values = Collections.unmodifiableMap(new TreeMap<>(values));
  }

  /** A line for each value that differs; none when a run may go on. */
  public List<String> differences(RunIdentity now) {
    List<String> lines = new ArrayList<>();
    TreeSet<String> names = new TreeSet<>(values.keySet());
    names.addAll(now.values.keySet());
    for (String name : names) {
      Optional<String> then = Optional.ofNullable(values.get(name));
      Optional<String> today = Optional.ofNullable(now.values.get(name));
      if (!then.equals(today)) {
        lines.add(
            "%s: %s in the checkpoint, %s now"
                .formatted(name, then.orElse("not set"), today.orElse("not set")));
      }
    }
    return lines;
  }
}
