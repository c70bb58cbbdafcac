package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.Comparator;

/**
 * Rows that are split among themselves: those of one value of {@code stratify_by}, or all, and
 * those of a ready test split.
 *
 * @param value empty where nothing stratifies
 */
record Stratum(InputFile.Origin origin, String value) implements Serializable, Comparable<Stratum> {
  private static final Comparator<Stratum> ORDER =
      Comparator.comparing(Stratum::origin).thenComparing(Stratum::value);

  static final Stratum ALL = new Stratum(InputFile.Origin.INPUT, "");
  static final Stratum READY_TEST = new Stratum(InputFile.Origin.TEST_INPUT, "");

  @Override
  public int compareTo(Stratum other) {
    return ORDER.compare(this, other);
  }
}
