package org.sparkfinetune.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;

/** An axis from round number to round number, a few steps of 1, 2 or 5 times a power of ten. */
record Scale(double low, double high, double step) {
  private static final int STEPS = 4;

  /** Holds all finite {@code values}; 0 to 1 if there are none. */
  static Scale of(DoubleStream values) {
    double[] range = {Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};
    values
        .filter(Double::isFinite)
        .forEach(
            value -> {
              range[0] = Math.min(range[0], value);
              range[1] = Math.max(range[1], value);
            });
    return range[0] > range[1] ? new Scale(0, 1, 0.5) : between(range[0], range[1]);
  }

  private static Scale between(double least, double most) {
    double size = Math.max(Math.abs(least), Math.abs(most));
    double spread = most - least;
    if (spread <= size * 1e-9) {
      spread = size == 0 ? 1 : size;
    }
    double step = round(spread / STEPS);
    return new Scale(Math.floor(least / step) * step, Math.ceil(most / step) * step, step)
        .notEmpty();
  }

  private Scale notEmpty() {
    return high > low ? this : new Scale(low - step, high + step, step);
  }

  private static double round(double step) {
    double power = Math.pow(10, Math.floor(Math.log10(step)));
    double digits = step / power;
    return power * (digits < 1.5 ? 1 : digits < 3.5 ? 2 : digits < 7.5 ? 5 : 10);
  }

  /** Where {@code value} is between {@code low} (0) and {@code high} (1). */
  double share(double value) {
    return (value - low) / (high - low);
  }

  List<Double> ticks() {
    List<Double> ticks = new ArrayList<>();
    long count = Math.round((high - low) / step);
    for (long i = 0; i <= count; i++) {
      ticks.add(low + i * step);
    }
    return ticks;
  }

  /** Short, and as exact as the distance of two ticks asks for. */
  String label(double value) {
    double size = Math.max(Math.abs(low), Math.abs(high));
    if (size >= 1e5 || size < 1e-3) {
      return String.format(Locale.ROOT, "%.1e", value).replaceFirst("e([+-])0?", "e$1");
    }
    int digits = (int) Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    return String.format(Locale.ROOT, "%." + digits + "f", value);
  }

  /** Numbers as people read them. */
  public static final class Numbers {
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
}
