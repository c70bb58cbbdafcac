package org.sparkfinetune.data.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Numbers read from texts and written by a format, for {@code %}, {@code format} and filters. */
final class NumberText {
  private static final Pattern REAL =
      Pattern.compile("[-+]?(?:(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][-+]?\\d+)?|inf|infinity|nan)");

  private static final Pattern UNDERSCORE = Pattern.compile("(?<=\\d)_(?=\\d)");

  private NumberText() {}

  private static String cleaned(String text) {
    String stripped = Text.of(text).strip(true, true, Text::isSpace).toString();
    StringBuilder out = new StringBuilder();
    // Digits of other scripts count as well.
    stripped
        .codePoints()
        .forEach(
            c ->
                out.appendCodePoint(
                    c > 127 && Character.isDigit(c) ? '0' + Character.digit(c, 10) : c));
    return UNDERSCORE.matcher(out).replaceAll("");
  }

  /**
   * @param base 0: as a literal's prefix says
   * @throws NumberFormatException if it is none
   */
  static Object integer(String text, int base) {
    String digits = cleaned(text).toLowerCase(Locale.ROOT);
    boolean signed = digits.startsWith("-") || digits.startsWith("+");
    String unsigned = signed ? digits.substring(1) : digits;
    int prefix =
        unsigned.startsWith("0x")
            ? 16
            : unsigned.startsWith("0o") ? 8 : unsigned.startsWith("0b") ? 2 : 0;
    int radix = base == 0 ? (prefix == 0 ? 10 : prefix) : base;
    if (prefix == radix && unsigned.length() > 2) {
      unsigned = unsigned.substring(2);
    }
    if (unsigned.startsWith("-") || unsigned.startsWith("+") || unsigned.length() > 4300) {
      throw new NumberFormatException("no integer: " + text);
    }
    BigInteger value = new BigInteger(unsigned, radix);
    return Numbers.normal(digits.startsWith("-") ? value.negate() : value);
  }

  /**
   * @throws NumberFormatException if it is none
   */
  static double real(String text) {
    String number = cleaned(text).toLowerCase(Locale.ROOT);
    Matcher matcher = REAL.matcher(number);
    if (!matcher.matches()) {
      throw new NumberFormatException("no number: " + text);
    }
    if (number.contains("inf")) {
      return number.startsWith("-") ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
    }
    return number.contains("nan") ? Double.NaN : Double.parseDouble(number);
  }

  /**
   * The digits of a float, without its sign.
   *
   * @param type one of f, F, e, E, g, G
   * @param alternate keeps the point and, for g, trailing zeros
   */
  static String digits(double value, char type, int precision, boolean alternate) {
    char lower = Character.toLowerCase(type);
    String text;
    double size = Math.abs(value);
    if (Double.isNaN(size) || Double.isInfinite(size)) {
      text = Double.isNaN(size) ? "nan" : "inf";
    } else if (lower == 'f') {
      TextBuilder.checkLength(precision);
      text = new BigDecimal(size).setScale(precision, RoundingMode.HALF_EVEN).toPlainString();
      text = alternate && precision == 0 ? text + "." : text;
    } else if (lower == 'e') {
      text = exponent(size, precision, alternate);
    } else {
      text = general(size, Math.max(1, precision), alternate);
    }
    return Character.isUpperCase(type) ? text.toUpperCase(Locale.ROOT) : text;
  }

  private static String exponent(double value, int precision, boolean alternate) {
    if (value == 0) {
      String zeros = precision > 0 ? "." + "0".repeat(precision) : alternate ? "." : "";
      return "0" + zeros + "e+00";
    }
    BigDecimal rounded =
        new BigDecimal(value)
            .round(new java.math.MathContext(precision + 1, RoundingMode.HALF_EVEN));
    int exponent = rounded.precision() - rounded.scale() - 1;
    String digits = rounded.unscaledValue().toString();
    digits = (digits + "0".repeat(precision + 1)).substring(0, precision + 1);
    String fraction = precision > 0 ? "." + digits.substring(1) : alternate ? "." : "";
    return digits.charAt(0)
        + fraction
        + (exponent < 0 ? "e-" : "e+")
        + (Math.abs(exponent) < 10 ? "0" : "")
        + Math.abs(exponent);
  }

  private static String general(double value, int precision, boolean alternate) {
    int exponent = 0;
    if (value != 0) {
      BigDecimal rounded =
          new BigDecimal(value).round(new java.math.MathContext(precision, RoundingMode.HALF_EVEN));
      exponent = rounded.precision() - rounded.scale() - 1;
    }
    boolean scientific = exponent < -4 || exponent >= precision;
    String text =
        scientific
            ? exponent(value, precision - 1, alternate)
            : digits(value, 'f', precision - 1 - exponent, alternate);
    if (alternate || text.indexOf('.') < 0) {
      return text;
    }
    int end = scientific ? text.indexOf('e') : text.length();
    String mantissa = text.substring(0, end).replaceAll("\\.?0+$", "");
    return mantissa + text.substring(end);
  }
}
