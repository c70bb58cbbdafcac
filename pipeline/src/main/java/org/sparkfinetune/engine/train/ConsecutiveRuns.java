package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;

/** Cuts a list into runs. */
final class ConsecutiveRuns {
  private ConsecutiveRuns() {}

  /** Each run as long as its tokens allow, at least one item; none for an empty list. */
  static <T> List<List<T>> runs(List<T> items, ToIntFunction<T> tokens, long most) {
    List<List<T>> runs = new ArrayList<>();
    List<T> run = List.of();
    long size = 0;
    for (T item : items) {
      if (run.isEmpty() || size + tokens.applyAsInt(item) > most) {
        run = new ArrayList<>();
        runs.add(run);
        size = 0;
      }
      run.add(item);
      size += tokens.applyAsInt(item);
    }
    return runs;
  }
}
