package org.sparkfinetune.config;

import java.math.BigInteger;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Truth values, numbers and sizes as people write them; empty for what is none. */
final class ScalarText {
  private static final Pattern WHOLE = Pattern.compile("[-+]?\\d+(_\\d+)*");
  private static final Pattern DECIMAL =
      Pattern.compile("[-+]?(\\d+(_\\d+)*(\\.\\d*)?|\\.\\d+)([eE][-+]?\\d+)?");
  private static final Pattern SIZE =
      Pattern.compile("(\\d+(?:\\.\\d+)?)\\s*([kKmMgGtT]?)(i?)[bB]?");

  private ScalarText() {}

  static Optional<Boolean> bool(String text) {
    return switch (text.strip().toLowerCase(Locale.ROOT)) {
      case "true" -> Optional.of(true);
      case "false" -> Optional.of(false);
      default -> Optional.empty();
    };
  }

  static Optional<Integer> wholeInt(String text) {
    return whole(text).filter(n -> n.intValue() == n.longValue()).map(Long::intValue);
  }

  static Optional<Long> whole(String text) {
    return Optional.of(text.strip())
        .filter(digits -> WHOLE.matcher(digits).matches() && digits.length() < 20)
        .map(digits -> new BigInteger(digits.replace("_", "")))
        .filter(number -> number.bitLength() < Long.SIZE)
        .map(BigInteger::longValue);
  }

  static Optional<Double> decimal(String text) {
    return Optional.of(text.strip())
        .filter(digits -> DECIMAL.matcher(digits).matches())
        .map(digits -> Double.valueOf(digits.replace("_", "")))
        .filter(Double::isFinite);
  }

  static Optional<Long> bytes(String text) {
    Matcher size = SIZE.matcher(text.strip());
    if (!size.matches()) {
      return Optional.empty();
    }
    double unit = size.group(3).equalsIgnoreCase("i") ? 1024 : 1000;
    int power =
        size.group(2).isEmpty() ? 0 : "KMGT".indexOf(size.group(2).toUpperCase(Locale.ROOT)) + 1;
    return Optional.of(Math.round(Double.parseDouble(size.group(1)) * Math.pow(unit, power)));
  }
}
