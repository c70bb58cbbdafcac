package org.sparkfinetune.data.jinja;

import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.time.temporal.IsoFields;
import java.util.Locale;

/** {@code datetime.strftime} of a time without zone, in the C locale, with glibc's flags. */
final class Strftime {
  private final LocalDateTime time;
  private final StringBuilder out = new StringBuilder();

  private Strftime(LocalDateTime time) {
    this.time = time;
  }

  static String format(String format, LocalDateTime time) {
    Strftime strftime = new Strftime(time);
    strftime.write(format);
    return strftime.out.toString();
  }

  private void write(String format) {
    for (int i = 0; i < format.length(); i++) {
      if (format.charAt(i) != '%') {
        out.append(format.charAt(i));
        continue;
      }
      int at = i + 1;
      while (at < format.length() && "-_0^#".indexOf(format.charAt(at)) >= 0) {
        at++;
      }
      if (at == format.length()) {
        out.append(format, i, at);
        return;
      }
      String flags = format.substring(i + 1, at);
      int start = out.length();
      if (!directive(format.charAt(at), flags)) {
        out.append(format, i, at + 1);
      } else if (flags.contains("^")) {
        String upper = out.substring(start).toUpperCase(Locale.ROOT);
        out.replace(start, out.length(), upper);
      }
      i = at;
    }
  }

  private boolean directive(char directive, String flags) {
    switch (directive) {
      case 'a' -> text("EEE");
      case 'A' -> text("EEEE");
      case 'b', 'h' -> text("MMM");
      case 'B' -> text("MMMM");
      case 'p' -> out.append(time.getHour() < 12 ? "AM" : "PM");
      case 'P' -> out.append(time.getHour() < 12 ? "am" : "pm");
      case 'd' -> number(time.getDayOfMonth(), 2, '0', flags);
      case 'e' -> number(time.getDayOfMonth(), 2, ' ', flags);
      case 'm' -> number(time.getMonthValue(), 2, '0', flags);
      case 'Y' -> number(time.getYear(), 1, '0', flags);
      case 'G' -> number(time.get(IsoFields.WEEK_BASED_YEAR), 1, '0', flags);
      case 'y' -> number(time.getYear() % 100, 2, '0', flags);
      case 'g' -> number(time.get(IsoFields.WEEK_BASED_YEAR) % 100, 2, '0', flags);
      case 'C' -> number(time.getYear() / 100, 2, '0', flags);
      case 'H' -> number(time.getHour(), 2, '0', flags);
      case 'k' -> number(time.getHour(), 2, ' ', flags);
      case 'I' -> number((time.getHour() + 11) % 12 + 1, 2, '0', flags);
      case 'l' -> number((time.getHour() + 11) % 12 + 1, 2, ' ', flags);
      case 'M' -> number(time.getMinute(), 2, '0', flags);
      case 'S' -> number(time.getSecond(), 2, '0', flags);
      case 'f' -> number(time.getNano() / 1000, 6, '0', flags);
      case 'j' -> number(time.getDayOfYear(), 3, '0', flags);
      case 'u' -> number(time.getDayOfWeek().getValue(), 1, '0', flags);
      case 'w' -> number(time.getDayOfWeek().getValue() % 7, 1, '0', flags);
      case 'U' -> number(week(time.getDayOfWeek().getValue() % 7), 2, '0', flags);
      case 'W' -> number(week(time.getDayOfWeek().getValue() - 1), 2, '0', flags);
      case 'V' -> number(time.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR), 2, '0', flags);
      case 's' -> out.append(ChronoUnit.SECONDS.between(LocalDateTime.of(1970, 1, 1, 0, 0), time));
      case 'c' -> write("%a %b %e %H:%M:%S %Y");
      case 'x', 'D' -> write("%m/%d/%y");
      case 'X', 'T' -> write("%H:%M:%S");
      case 'F' -> write("%Y-%m-%d");
      case 'R' -> write("%H:%M");
      case 'r' -> write("%I:%M:%S %p");
      case 'n' -> out.append('\n');
      case 't' -> out.append('\t');
      case '%' -> out.append('%');
      case 'z', 'Z' -> {}
      default -> {
        return false;
      }
    }
    return true;
  }

  /** Weeks since the year's first, each beginning at the day counted as 0. */
  private int week(int dayOfWeek) {
    return (time.getDayOfYear() + 6 - dayOfWeek) / 7;
  }

  private void text(String pattern) {
    // Locale.US and not ROOT: ROOT writes months as numbers.
    out.append(DateTimeFormatter.ofPattern(pattern, Locale.US).format(time));
  }

  private void number(int value, int width, char fill, String flags) {
    char padding = flags.contains("_") ? ' ' : flags.contains("0") ? '0' : fill;
    String digits = Integer.toString(value);
    if (!flags.contains("-")) {
      out.append(String.valueOf(padding).repeat(Math.max(0, width - digits.length())));
    }
    out.append(digits);
  }
}
