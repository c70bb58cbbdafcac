package org.sparkfinetune.report;

import java.util.Locale;

/** Numbers as people read them. */
public final class Numbers {
  private static final double MEBI = 1 << 20;

  private Numbers() {}

  /** Four digits that matter. */
  public static String figure(double value) {
    if (!Double.isFinite(value)) {
      return Double.toString(value);
    }
    double size = Math.abs(value);
    if (size >= 1000) {
      return grouped(Math.round(value));
    }
    if (size != 0 && size < 1e-3) {
      return String.format(Locale.ROOT, "%.3e", value);
    }
    int digits = size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4;
    return String.format(Locale.ROOT, "%." + digits + "f", value);
  }

  /** Thousands set apart. */
  public static String grouped(long number) {
    return String.format(Locale.ROOT, "%,d", number).replace(',', '\u2009');
  }

  /** In MiB, or GiB from ten of them on. */
  public static String bytes(long bytes) {
    double mebi = bytes / MEBI;
    return mebi >= 10_240
        ? String.format(Locale.ROOT, "%.1f GiB", mebi / 1024)
        : String.format(Locale.ROOT, mebi >= 100 ? "%.0f MiB" : "%.1f MiB", mebi);
  }

  /** Seconds, minutes or hours. */
  public static String seconds(double seconds) {
    if (!Double.isFinite(seconds) || seconds < 100) {
      return figure(seconds) + " s";
    }
    long all = Math.round(seconds);
    return all < 3600
        ? String.format(Locale.ROOT, "%d min %02d s", all / 60, all % 60)
        : String.format(Locale.ROOT, "%d h %02d min", all / 3600, all / 60 % 60);
  }
}
