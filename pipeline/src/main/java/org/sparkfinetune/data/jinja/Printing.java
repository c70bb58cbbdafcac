package org.sparkfinetune.data.jinja;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import org.sparkfinetune.data.jinja.Values.Callable;
import org.sparkfinetune.data.jinja.Values.Dict;
import org.sparkfinetune.data.jinja.Values.PyIterator;
import org.sparkfinetune.data.jinja.Values.PyList;
import org.sparkfinetune.data.jinja.Values.Undefined;

/** {@code str()} and {@code repr()} of Python's values. */
final class Printing {
  private Printing() {}

  static Text str(Object value) {
    if (value instanceof Text text) {
      return text;
    }
    if (value instanceof Undefined) {
      return Text.EMPTY;
    }
    if (value instanceof PyList || value instanceof Dict) {
      TextBuilder out = new TextBuilder();
      repr(value, out);
      return out.toText();
    }
    return Text.of(scalar(value));
  }

  private static String scalar(Object value) {
    if (value instanceof Boolean bool) {
      return bool ? "True" : "False";
    }
    if (value instanceof Double real) {
      return real(real);
    }
    if (value instanceof PyIterator iterator) {
      return "<generator object " + iterator.name() + ">";
    }
    if (value instanceof Callable) {
      // Python's has an address; no class of ours belongs into a text.
      return "<function>";
    }
    return value instanceof Undefined ? "Undefined" : String.valueOf(value);
  }

  static String repr(Text text) {
    TextBuilder out = new TextBuilder();
    quote(text, out);
    return out.toText().toString();
  }

  static Text repr(Object value) {
    TextBuilder out = new TextBuilder();
    repr(value, out);
    return out.toText();
  }

  private static void repr(Object value, TextBuilder out) {
    if (value instanceof Text text) {
      if (text.isMarkup()) {
        out.append("Markup(");
        quote(text, out);
        out.append(")");
      } else {
        quote(text, out);
      }
    } else if (value instanceof PyList list) {
      repr(list, out);
    } else if (value instanceof Dict dict) {
      String separator = "{";
      for (Object item : dict.items().items) {
        List<Object> pair = ((PyList) item).items;
        out.append(separator);
        repr(pair.get(0), out);
        out.append(": ");
        repr(pair.get(1), out);
        separator = ", ";
      }
      out.append(dict.size() == 0 ? "{}" : "}");
    } else {
      out.append(scalar(value));
    }
  }

  private static void repr(PyList list, TextBuilder out) {
    switch (list.kind) {
      case LIST -> items(list, "[", "]", out);
      case TUPLE, GROUP -> items(list, "(", list.items.size() == 1 ? ",)" : ")", out);
      case KEYS -> items(list, "dict_keys([", "])", out);
      case VALUES -> items(list, "dict_values([", "])", out);
      case ITEMS -> items(list, "dict_items([", "])", out);
      case RANGE -> out.append(list.toString());
    }
  }

  private static void items(PyList list, String open, String close, TextBuilder out) {
    out.append(open);
    for (Iterator<Object> items = list.items.iterator(); items.hasNext(); ) {
      repr(items.next(), out);
      out.append(items.hasNext() ? ", " : "");
    }
    out.append(close);
  }

  private static void quote(Text text, TextBuilder out) {
    String value = text.toString();
    char quote = value.indexOf('\'') >= 0 && value.indexOf('"') < 0 ? '"' : '\'';
    StringBuilder escaped = new StringBuilder();
    value.codePoints().forEach(c -> escape(c, quote, escaped));
    out.append(quote);
    out.append(text.asPlain().changed(escaped.toString()));
    out.append(quote);
  }

  private static void escape(int c, char quote, StringBuilder out) {
    if (c == '\\' || c == quote) {
      out.append('\\').append((char) c);
    } else if (c == '\n') {
      out.append("\\n");
    } else if (c == '\r') {
      out.append("\\r");
    } else if (c == '\t') {
      out.append("\\t");
    } else if (isPrintable(c)) {
      out.appendCodePoint(c);
    } else {
      String format = c < 256 ? "\\x%02x" : c < 65536 ? "\\u%04x" : "\\U%08x";
      out.append(String.format(Locale.ROOT, format, c));
    }
  }

  static boolean isPrintable(int c) {
    if (c == ' ') {
      return true;
    }
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.SPACE_SEPARATOR ->
          false;
      default -> true;
    };
  }

  /** The shortest digits that read back as the same double, as Python writes them. */
  static String real(double value) {
    if (Double.isNaN(value)) {
      return "nan";
    }
    if (Double.isInfinite(value)) {
      return value > 0 ? "inf" : "-inf";
    }
    if (value == 0) {
      return 1 / value < 0 ? "-0.0" : "0.0";
    }
    BigDecimal digits = shortest(value);
    int exponent = digits.precision() - digits.scale() - 1;
    if (exponent >= -4 && exponent < 16) {
      String plain = digits.toPlainString();
      return plain.indexOf('.') < 0 ? plain + ".0" : plain;
    }
    return scientific(digits, exponent);
  }

  private static BigDecimal shortest(double value) {
    BigDecimal exact = new BigDecimal(value);
    for (int precision = 1; precision < 17; precision++) {
      BigDecimal rounded = exact.round(new MathContext(precision, RoundingMode.HALF_EVEN));
      if (rounded.doubleValue() == value) {
        return rounded.stripTrailingZeros();
      }
    }
    return exact.round(new MathContext(17, RoundingMode.HALF_EVEN)).stripTrailingZeros();
  }

  private static String scientific(BigDecimal digits, int exponent) {
    String unscaled = digits.unscaledValue().abs().toString();
    String fraction = unscaled.length() > 1 ? "." + unscaled.substring(1) : "";
    String sign = digits.signum() < 0 ? "-" : "";
    return sign
        + unscaled.charAt(0)
        + fraction
        + (exponent < 0 ? "e-" : "e+")
        + (Math.abs(exponent) < 10 ? "0" : "")
        + Math.abs(exponent);
  }

  /** Markup as it is, anything else escaped for HTML. */
  static Text escape(Text text) {
    if (text.isMarkup()) {
      return text;
    }
    String escaped =
        text.toString()
            .replace("&", "&amp;")
            .replace("<", "&lt;")
            .replace(">", "&gt;")
            .replace("'", "&#39;")
            .replace("\"", "&#34;");
    return text.changed(escaped).asMarkup();
  }
}
