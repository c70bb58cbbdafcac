package org.sparkfinetune.report;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.metrics.MetricsLine;

/** A start of the training, as the lines it left tell. */
record Attempt(int number, long first, long last) {
  static List<Attempt> of(List<MetricsLine.Train> lines) {
    List<Attempt> attempts = new ArrayList<>();
    for (MetricsLine.Train line : lines) {
      int end = attempts.size() - 1;
      if (end >= 0 && attempts.get(end).number() == line.attempt()) {
        attempts.set(end, new Attempt(line.attempt(), attempts.get(end).first(), line.step()));
      } else {
        attempts.add(new Attempt(line.attempt(), line.step(), line.step()));
      }
    }
    return attempts;
  }
}
