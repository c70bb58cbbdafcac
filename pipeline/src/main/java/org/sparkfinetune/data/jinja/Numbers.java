package org.sparkfinetune.data.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import org.sparkfinetune.data.jinja.TemplateError.Kind;
import org.sparkfinetune.data.jinja.Values.PyList;
import org.sparkfinetune.data.jinja.Values.Undefined;

/** Python's binary operators: integers without bound, floor division, joining of sequences. */
final class Numbers {
  /** No chat template computes with longer ones. */
  private static final int MAX_BITS = 1 << 16;

  private static final BigInteger MIN_LONG = BigInteger.valueOf(Long.MIN_VALUE);
  private static final BigInteger MAX_LONG = BigInteger.valueOf(Long.MAX_VALUE);

  private Numbers() {}

  enum Operator {
    ADD("+"),
    SUBTRACT("-"),
    MULTIPLY("*"),
    DIVIDE("/"),
    FLOOR_DIVIDE("//"),
    MODULO("%"),
    POWER("** or pow()");

    final String text;

    Operator(String text) {
      this.text = text;
    }
  }

  static Object normal(BigInteger value) {
    if (value.compareTo(MIN_LONG) >= 0 && value.compareTo(MAX_LONG) <= 0) {
      return value.longValue();
    }
    if (value.bitLength() > MAX_BITS) {
      throw new TemplateError(Kind.LIMIT, "an integer of more than " + MAX_BITS + " bits");
    }
    return value;
  }

  static boolean isNumber(Object value) {
    return isInteger(value) || value instanceof Double;
  }

  /** Booleans are integers, as in Python. */
  static boolean isInteger(Object value) {
    return value instanceof Long || value instanceof Boolean || value instanceof BigInteger;
  }

  static BigInteger big(Object integer) {
    if (integer instanceof BigInteger big) {
      return big;
    }
    return BigInteger.valueOf(small(integer));
  }

  private static long small(Object integer) {
    return integer instanceof Boolean bool ? (bool ? 1 : 0) : (Long) integer;
  }

  static double real(Object number) {
    if (number instanceof Double real) {
      return real;
    }
    if (number instanceof BigInteger big) {
      double real = big.doubleValue();
      if (Double.isInfinite(real)) {
        throw new TemplateError(Kind.OVERFLOW, "int too large to convert to float");
      }
      return real;
    }
    return small(number);
  }

  /** An int that fits Java's; larger ones are cut to its ends, as slices do. */
  static int clamped(Object value) {
    if (!isInteger(value)) {
      throw TemplateError.type(
          "'" + Values.typeName(value) + "' object cannot be interpreted as an integer");
    }
    BigInteger big = big(value);
    BigInteger max = BigInteger.valueOf(Integer.MAX_VALUE);
    return big.min(max).max(max.negate()).intValue();
  }

  /** Order of two numbers; empty if one is not a number. */
  static OptionalInt compare(Object a, Object b) {
    if (a instanceof Long x && b instanceof Long y) {
      return OptionalInt.of(Long.compare(x, y));
    }
    if (isInteger(a) && isInteger(b)) {
      return OptionalInt.of(big(a).compareTo(big(b)));
    }
    double x = a instanceof Double real ? real : Double.NaN;
    double y = b instanceof Double real ? real : Double.NaN;
    if (a instanceof Double && b instanceof Double) {
      return Double.isNaN(x) || Double.isNaN(y)
          ? OptionalInt.empty()
          : OptionalInt.of(x < y ? -1 : x > y ? 1 : 0);
    }
    if (a instanceof Double) {
      return Double.isNaN(x)
          ? OptionalInt.empty()
          : OptionalInt.of(Double.isInfinite(x) ? (x > 0 ? 1 : -1) : exact(a).compareTo(exact(b)));
    }
    return Double.isNaN(y)
        ? OptionalInt.empty()
        : OptionalInt.of(Double.isInfinite(y) ? (y > 0 ? -1 : 1) : exact(a).compareTo(exact(b)));
  }

  private static BigDecimal exact(Object number) {
    return number instanceof Double real ? new BigDecimal(real) : new BigDecimal(big(number));
  }

  static Object apply(Operator operator, Object a, Object b) {
    if (a instanceof Text format && operator == Operator.MODULO) {
      return PercentFormat.apply(format, b);
    }
    if (a instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (b instanceof Undefined undefined) {
      if (operator == Operator.MULTIPLY && a instanceof Text text && text.isMarkup()) {
        throw TemplateError.type("'Undefined' object cannot be interpreted as an integer");
      }
      throw undefined.error();
    }
    if (isInteger(a) && isInteger(b)) {
      return integers(operator, a, b);
    }
    if (isNumber(a) && isNumber(b)) {
      return reals(operator, real(a), real(b));
    }
    if (operator == Operator.ADD) {
      return join(a, b);
    }
    if (operator == Operator.MULTIPLY) {
      if (isInteger(b) && isSequence(a)) {
        return repeat(a, times(b));
      }
      if (isInteger(a) && isSequence(b)) {
        return repeat(b, times(a));
      }
      if (isSequence(a) || isSequence(b)) {
        Object other = isSequence(a) ? b : a;
        throw TemplateError.type(
            "can't multiply sequence by non-int of type '" + Values.typeName(other) + "'");
      }
    }
    throw unsupported(operator, a, b);
  }

  private static TemplateError unsupported(Operator operator, Object a, Object b) {
    return TemplateError.type(
        "unsupported operand type(s) for %s: '%s' and '%s'"
            .formatted(operator.text, Values.typeName(a), Values.typeName(b)));
  }

  private static Object integers(Operator operator, Object a, Object b) {
    if (!(a instanceof BigInteger) && !(b instanceof BigInteger)) {
      long x = small(a);
      long y = small(b);
      long result = operator == Operator.ADD ? x + y : x - y;
      boolean small = Math.abs(x / 2) < Long.MAX_VALUE / 4 && Math.abs(y / 2) < Long.MAX_VALUE / 4;
      if (small && (operator == Operator.ADD || operator == Operator.SUBTRACT)) {
        return result;
      }
    }
    return switch (operator) {
      case ADD -> normal(big(a).add(big(b)));
      case SUBTRACT -> normal(big(a).subtract(big(b)));
      case MULTIPLY -> normal(big(a).multiply(big(b)));
      case DIVIDE -> {
        if (big(b).signum() == 0) {
          throw divisionByZero("division by zero");
        }
        double quotient =
            new BigDecimal(big(a))
                .divide(new BigDecimal(big(b)), new MathContext(60))
                .doubleValue();
        yield big(a).signum() == 0 && big(b).signum() < 0 ? -0.0 : quotient;
      }
      case FLOOR_DIVIDE -> normal(floorDivide(big(a), big(b))[0]);
      case MODULO -> normal(floorDivide(big(a), big(b))[1]);
      case POWER -> power(big(a), big(b));
    };
  }

  private static BigInteger[] floorDivide(BigInteger a, BigInteger b) {
    if (b.signum() == 0) {
      throw divisionByZero("integer division or modulo by zero");
    }
    BigInteger[] parts = a.divideAndRemainder(b);
    if (parts[1].signum() != 0 && parts[1].signum() != b.signum()) {
      return new BigInteger[] {parts[0].subtract(BigInteger.ONE), parts[1].add(b)};
    }
    return parts;
  }

  private static TemplateError divisionByZero(String message) {
    return new TemplateError(Kind.ZERO_DIVISION, message);
  }

  private static Object power(BigInteger base, BigInteger exponent) {
    if (exponent.signum() < 0) {
      return reals(Operator.POWER, base.doubleValue(), exponent.doubleValue());
    }
    if (base.abs().compareTo(BigInteger.ONE) <= 0) {
      boolean negative = base.signum() < 0 && exponent.testBit(0);
      return exponent.signum() == 0 || base.signum() != 0 ? (negative ? -1L : 1L) : 0L;
    }
    if (exponent.bitLength() > 31 || (long) base.bitLength() * exponent.intValue() > MAX_BITS) {
      throw new TemplateError(Kind.LIMIT, "an integer of more than " + MAX_BITS + " bits");
    }
    return normal(base.pow(exponent.intValue()));
  }

  private static Object reals(Operator operator, double a, double b) {
    boolean divides =
        operator == Operator.DIVIDE
            || operator == Operator.FLOOR_DIVIDE
            || operator == Operator.MODULO;
    if (divides && b == 0) {
      throw divisionByZero("float division by zero");
    }
    return switch (operator) {
      case ADD -> a + b;
      case SUBTRACT -> a - b;
      case MULTIPLY -> a * b;
      case DIVIDE -> a / b;
      case FLOOR_DIVIDE -> floorDivide(a, b);
      case MODULO -> modulo(a, b);
      case POWER -> power(a, b);
    };
  }

  private static double modulo(double a, double b) {
    double rest = a % b;
    if (rest == 0) {
      return Math.copySign(0.0, b);
    }
    return (rest < 0) != (b < 0) ? rest + b : rest;
  }

  /** CPython's float_divmod. */
  private static double floorDivide(double a, double b) {
    double rest = a % b;
    double quotient = (a - rest) / b;
    if (rest != 0 && (rest < 0) != (b < 0)) {
      quotient -= 1;
    }
    if (quotient == 0) {
      return Math.copySign(0.0, a / b);
    }
    double floor = Math.floor(quotient);
    return quotient - floor > 0.5 ? floor + 1 : floor;
  }

  private static double power(double a, double b) {
    if (a == 0 && b < 0) {
      throw divisionByZero("0.0 cannot be raised to a negative power");
    }
    if (a == 1) {
      return 1;
    }
    double power = Math.pow(a, b);
    if (Double.isNaN(power) && !Double.isNaN(a) && !Double.isNaN(b)) {
      throw new TemplateError(Kind.UNSUPPORTED, "complex numbers");
    }
    if (Double.isInfinite(power) && !Double.isInfinite(a) && !Double.isInfinite(b)) {
      throw new TemplateError(Kind.OVERFLOW, "(34, 'Numerical result out of range')");
    }
    return power;
  }

  private static boolean isSequence(Object value) {
    return value instanceof Text
        || (value instanceof PyList list
            && (list.type() == PyList.Kind.LIST || list.type() == PyList.Kind.TUPLE));
  }

  private static Object join(Object a, Object b) {
    if (a instanceof Text x && b instanceof Text y) {
      return concat(x, y);
    }
    if (a instanceof PyList x && b instanceof PyList y && isSequence(a) && x.type() == y.type()) {
      TextBuilder.checkLength((long) x.items.size() + y.items.size());
      List<Object> joined = new ArrayList<>(x.items);
      joined.addAll(y.items);
      return new PyList(x.type(), joined);
    }
    if (a instanceof Text) {
      throw TemplateError.type(
          "can only concatenate str (not \"" + Values.typeName(b) + "\") to str");
    }
    if (isSequence(a)) {
      String type = Values.typeName(a);
      throw TemplateError.type(
          "can only concatenate %s (not \"%s\") to %s".formatted(type, Values.typeName(b), type));
    }
    throw unsupported(Operator.ADD, a, b);
  }

  static Text concat(Text a, Text b) {
    if (a.isMarkup() || b.isMarkup()) {
      return new TextBuilder()
          .append(Printing.escape(a))
          .append(Printing.escape(b))
          .toText()
          .asMarkup();
    }
    return new TextBuilder().append(a).append(b).toText();
  }

  private static int times(Object count) {
    if (count instanceof BigInteger) {
      throw new TemplateError(Kind.OVERFLOW, "cannot fit 'int' into an index-sized integer");
    }
    return clamped(count);
  }

  private static Object repeat(Object sequence, int times) {
    int count = Math.max(0, times);
    if (sequence instanceof PyList list) {
      TextBuilder.checkLength((long) list.items.size() * count);
      List<Object> repeated = new ArrayList<>();
      Collections.nCopies(count, list.items).forEach(repeated::addAll);
      return new PyList(list.type(), repeated);
    }
    Text text = (Text) sequence;
    TextBuilder.checkLength((long) text.length() * count);
    TextBuilder repeated = new TextBuilder();
    for (int i = 0; i < count && !text.isEmpty(); i++) {
      repeated.append(text);
    }
    Text result = repeated.toText();
    return text.isMarkup() ? result.asMarkup() : result;
  }

  static Object negate(Object value) {
    if (value instanceof Double real) {
      return -real;
    }
    if (isInteger(value)) {
      return normal(big(value).negate());
    }
    throw badUnary("-", value);
  }

  static Object positive(Object value) {
    if (value instanceof Double) {
      return value;
    }
    if (isInteger(value)) {
      return normal(big(value));
    }
    throw badUnary("+", value);
  }

  private static TemplateError badUnary(String operator, Object value) {
    if (value instanceof Undefined undefined) {
      return undefined.error();
    }
    return TemplateError.type(
        "bad operand type for unary %s: '%s'".formatted(operator, Values.typeName(value)));
  }

  /** {@code round(value, digits)} of a float: half to even of the exact binary value. */
  static double round(double value, int digits) {
    if (Double.isNaN(value) || Double.isInfinite(value)) {
      return value;
    }
    if (digits > 330) {
      return value;
    }
    if (digits < -330) {
      return Math.copySign(0.0, value);
    }
    double rounded = new BigDecimal(value).setScale(digits, RoundingMode.HALF_EVEN).doubleValue();
    return rounded == 0 ? Math.copySign(0.0, value) : rounded;
  }
}
