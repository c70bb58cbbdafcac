package org.sparkfinetune.data.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.sparkfinetune.data.jinja.TemplateError.Kind;
import org.sparkfinetune.data.jinja.Values.Dict;
import org.sparkfinetune.data.jinja.Values.PyList;
import org.sparkfinetune.data.jinja.Values.Undefined;

/** {@code 'format' % values}. */
final class PercentFormat {
  private static final Pattern DIRECTIVE =
      Pattern.compile(
          "%(?:\\((?<key>[^)]*)\\))?(?<flags>[-+"
              + " 0#]*)(?<width>\\*|\\d*)(?:\\.(?<precision>\\*|\\d*))?[hlL]?(?<type>.)",
          Pattern.DOTALL);

  private final Text format;
  private final Object values;
  private final List<Object> positional;
  private final TextBuilder out = new TextBuilder();
  private int used = 0;

  private PercentFormat(Text format, Object values) {
    this.format = format;
    this.values = values;
    boolean tuple = values instanceof PyList list && list.type() == PyList.Kind.TUPLE;
    this.positional = tuple ? ((PyList) values).items : List.of(values);
  }

  static Text apply(Text format, Object values) {
    return new PercentFormat(format, values).run();
  }

  private Text run() {
    String text = format.toString();
    Matcher directive = DIRECTIVE.matcher(text);
    int at = 0;
    for (int percent = text.indexOf('%'); percent >= 0; percent = text.indexOf('%', at)) {
      out.append(format.cut(at, percent));
      if (!directive.find(percent) || directive.start() != percent) {
        throw TemplateError.value("incomplete format");
      }
      write(directive);
      at = directive.end();
    }
    out.append(format.cut(at, text.length()));
    boolean mapping =
        values instanceof Dict
            || values instanceof Undefined
            || (values instanceof PyList list && list.type() != PyList.Kind.TUPLE);
    if (used < positional.size() && !mapping) {
      throw TemplateError.type("not all arguments converted during string formatting");
    }
    return format.isMarkup() ? out.toText().asMarkup() : out.toText();
  }

  private Object next() {
    if (used >= positional.size()) {
      throw TemplateError.type("not enough arguments for format string");
    }
    return positional.get(used++);
  }

  private int size(String text, int otherwise) {
    if ("*".equals(text)) {
      checkPlain("* wants int");
      return Numbers.clamped(next());
    }
    try {
      return text == null || text.isEmpty() ? otherwise : Integer.parseInt(text);
    } catch (NumberFormatException e) {
      throw TemplateError.value("width too big");
    }
  }

  /** An escaped text wraps its values for escaping, and of those Python takes no plain numbers. */
  private void checkPlain(String message) {
    if (format.isMarkup()) {
      throw TemplateError.type(message);
    }
  }

  private void write(Matcher directive) {
    char type = directive.group("type").charAt(0);
    String flags = directive.group("flags");
    String key = directive.group("key");
    Object named = key == null ? Values.NONE : named(key);
    int width = size(directive.group("width"), 0);
    boolean exact = directive.group("precision") != null;
    int precision = exact ? size(directive.group("precision"), 0) : -1;
    if (type == '%') {
      out.append("%");
      return;
    }
    if ("sradiufFeEgGxXoc".indexOf(type) < 0) {
      throw TemplateError.value("unsupported format character '" + type + "'");
    }
    if ("cxXo".indexOf(type) >= 0) {
      checkPlain("%%%s wants an int, and escaped texts hide what they are given".formatted(type));
    }
    Object value = key == null ? next() : named;
    boolean left = flags.contains("-") || width < 0;
    int columns = Math.abs(width);
    if ("srac".indexOf(type) >= 0) {
      Text plain = text(value, type);
      Text text = format.isMarkup() ? Printing.escape(plain) : plain;
      int length =
          precision >= 0 && type != 'c' ? Math.min(precision, text.length()) : text.length();
      out.append(
          StringMethods.pad(
              text.slice(0, length), left ? "ljust" : "rjust", columns, Text.of(" ")));
      return;
    }
    String digits =
        "diuxXo".indexOf(type) >= 0
            ? integer(value, type, precision, flags)
            : real(value, type, precision, flags);
    String sign =
        digits.startsWith("-") ? "-" : flags.contains("+") ? "+" : flags.contains(" ") ? " " : "";
    String body = digits.startsWith("-") ? digits.substring(1) : digits;
    out.append(padded(sign, body, columns, left, flags));
  }

  private static String padded(String sign, String body, int width, boolean left, String flags) {
    boolean zeros = flags.contains("0");
    TextBuilder.checkLength(width);
    int missing = Math.max(0, width - sign.length() - body.length());
    if (left) {
      return sign + body + " ".repeat(missing);
    }
    boolean prefixed =
        flags.contains("#")
            && body.length() > 1
            && body.charAt(0) == '0'
            && Character.isLetter(body.charAt(1));
    if (zeros && prefixed) {
      return sign + body.substring(0, 2) + "0".repeat(missing) + body.substring(2);
    }
    return zeros ? sign + "0".repeat(missing) + body : " ".repeat(missing) + sign + body;
  }

  private Object named(String key) {
    if (!(values instanceof Dict dict)) {
      throw TemplateError.type("format requires a mapping");
    }
    used = positional.size();
    Object value = dict.get(key);
    if (value == null) {
      throw new TemplateError(Kind.KEY, "'" + key + "'");
    }
    return value;
  }

  private static Text text(Object value, char type) {
    if (type == 'c') {
      if (value instanceof Text text && text.length() == 1) {
        return text;
      }
      if (Numbers.isInteger(value) && Character.isValidCodePoint(Numbers.clamped(value))) {
        return Text.of(Character.toString(Numbers.clamped(value)));
      }
      if (Numbers.isInteger(value)) {
        throw new TemplateError(Kind.OVERFLOW, "%c arg not in range(0x110000)");
      }
      throw TemplateError.type("%c requires int or char");
    }
    if (type == 's') {
      return Printing.str(value);
    }
    Text repr = Printing.repr(value);
    return type == 'r' ? repr : repr.changed(ascii(repr.toString()));
  }

  private static String ascii(String text) {
    StringBuilder out = new StringBuilder();
    text.codePoints()
        .forEach(
            c -> {
              if (c < 128) {
                out.append((char) c);
              } else {
                String escape = c < 256 ? "\\x%02x" : c < 65536 ? "\\u%04x" : "\\U%08x";
                out.append(String.format(Locale.ROOT, escape, c));
              }
            });
    return out.toString();
  }

  private static String integer(Object value, char type, int precision, String flags) {
    boolean decimal = "diu".indexOf(type) >= 0;
    if (decimal && value instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (!Numbers.isInteger(value) && !(decimal && value instanceof Double)) {
      String wanted = decimal ? "a real number" : "an integer";
      throw TemplateError.type(
          "%%%s format: %s is required, not %s".formatted(type, wanted, Values.typeName(value)));
    }
    BigInteger number = value instanceof Double real ? whole(real) : Numbers.big(value);
    int radix = decimal ? 10 : type == 'o' ? 8 : 16;
    String digits = number.abs().toString(radix);
    TextBuilder.checkLength(precision);
    digits = "0".repeat(Math.max(0, precision - digits.length())) + digits;
    if (!decimal && flags.contains("#")) {
      digits = (type == 'o' ? "0o" : "0x") + digits;
    }
    digits = type == 'X' ? digits.toUpperCase(Locale.ROOT) : digits;
    return (number.signum() < 0 ? "-" : "") + digits;
  }

  private static BigInteger whole(double real) {
    if (Double.isNaN(real)) {
      throw TemplateError.value("cannot convert float NaN to integer");
    }
    if (Double.isInfinite(real)) {
      throw new TemplateError(Kind.OVERFLOW, "cannot convert float infinity to integer");
    }
    return new BigDecimal(real).toBigInteger();
  }

  private static String real(Object value, char type, int precision, String flags) {
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (!Numbers.isNumber(value)) {
      throw TemplateError.type("must be real number, not " + Values.typeName(value));
    }
    double real = Numbers.real(value);
    boolean negative = real < 0 || (real == 0 && 1 / real < 0);
    String digits =
        NumberText.digits(real, type, precision < 0 ? 6 : precision, flags.contains("#"));
    return (negative ? "-" : "") + digits;
  }
}
