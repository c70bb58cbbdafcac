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
}
