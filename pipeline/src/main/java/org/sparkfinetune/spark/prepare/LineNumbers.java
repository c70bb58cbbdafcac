package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * Turns a line of a split into a line of its file. Only splits behind a file's first are kept: all
 * others begin with line 1.
 */
record LineNumbers(Map<Tally.SplitId, Long> before) implements Serializable {
  static LineNumbers of(Map<Tally.SplitId, Long> lines) {
    Map<Tally.SplitId, Long> before = new HashMap<>();
    Map<Integer, Long> sums = new HashMap<>();
    new TreeMap<>(lines)
        .forEach(
            (split, count) -> {
              long sum = sums.getOrDefault(split.file(), 0L);
              if (sum > 0) {
                before.put(split, sum);
              }
              sums.put(split.file(), sum + count);
            });
    return new LineNumbers(before);
  }

  long rowInFile(Place place) {
    return before.getOrDefault(new Tally.SplitId(place.file(), place.split()), 0L) + place.number();
  }
}
