package org.sparkfinetune.spark.evaluate;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Short names for adapters that are measured side by side: what tells their paths apart. */
final class AdapterNames {
  /** What {@code train} calls an adapter's folder. */
  private static final String FOLDER = "adapter";

  /** Names of other things at their places in the report. */
  private static final Set<String> TAKEN =
      Set.of("base", "promoted", FOLDER, "sample", "prompt", "expected");

  private AdapterNames() {}

  /**
   * Of {@code runs/a/adapter} and {@code runs/b/adapter} {@code a} and {@code b}: as few of the
   * last folders as make all names different, or else the adapters as they are.
   */
  static List<String> of(List<String> adapters) {
    List<List<String>> paths = adapters.stream().map(AdapterNames::folders).toList();
    int longest = paths.stream().mapToInt(List::size).max().orElse(0);
    for (int last = 1; last <= longest; last++) {
      int count = last;
      List<String> names = paths.stream().map(path -> end(path, count)).toList();
      Set<String> different = new HashSet<>(names);
      if (different.size() == adapters.size() && different.stream().noneMatch(TAKEN::contains)) {
        return names;
      }
    }
    return adapters;
  }

  private static List<String> folders(String adapter) {
    List<String> folders =
        Arrays.stream(adapter.split("/")).filter(folder -> !folder.isEmpty()).toList();
    int end = folders.size() - 1;
    return end > 0 && folders.get(end).equals(FOLDER) ? folders.subList(0, end) : folders;
  }

  private static String end(List<String> path, int count) {
    return String.join("/", path.subList(Math.max(0, path.size() - count), path.size()));
  }
}
