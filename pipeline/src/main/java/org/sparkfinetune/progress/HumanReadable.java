package org.sparkfinetune.progress;

import java.time.Duration;
import java.util.Locale;

/** Times, sizes and shares as people read them. */
public final class HumanReadable {
  private static final int BAR = 24;
  private static final String[] SIZES = {"B", "KiB", "MiB", "GiB", "TiB"};

  private HumanReadable() {}

  /** {@code 45s}, {@code 3m 07s} or {@code 1h 05m}. */
  public static String time(Duration time) {
    Duration shown = time.isNegative() ? Duration.ZERO : time;
    if (shown.toHours() > 0) {
      return String.format(Locale.ROOT, "%dh %02dm", shown.toHours(), shown.toMinutesPart());
    }
    return shown.toMinutes() > 0
        ? String.format(Locale.ROOT, "%dm %02ds", shown.toMinutes(), shown.toSecondsPart())
        : shown.toSeconds() + "s";
  }

  /** {@code 925 MiB} or {@code 1.4 GiB}: three digits. */
  public static String bytes(long bytes) {
    double size = bytes;
    int unit = 0;
    while (size >= 1000 && unit < SIZES.length - 1) {
      size /= 1024;
      unit++;
    }
    return String.format(
        Locale.ROOT, unit > 0 && size < 10 ? "%.1f %s" : "%.0f %s", size, SIZES[unit]);
  }

  /** {@code [######------]}. */
  public static String bar(long done, long total) {
    double share = total > 0 ? Math.min(1, (double) done / total) : 0;
    int full = (int) (share * BAR);
    return "[" + "#".repeat(full) + "-".repeat(BAR - full) + "]";
  }
}
