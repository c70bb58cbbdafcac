package org.sparkfinetune.data.jinja;

import java.math.BigInteger;
import java.util.List;
import java.util.Locale;
import org.sparkfinetune.data.jinja.Arguments.Bound;
import org.sparkfinetune.data.jinja.Values.Dict;
import org.sparkfinetune.data.jinja.Values.PyList;

/**
 * {@code tojson} as transformers defines it: Python's {@code json.dumps}, nothing escaped for HTML.
 */
final class Json {
  private final TextBuilder out = new TextBuilder();
  private final boolean ascii;
  private final boolean sorted;
  private final String indent;
  private final boolean pretty;
  private final Text itemSeparator;
  private final Text keySeparator;

  private Json(Bound bound) {
    ascii = bound.truth(1, false);
    Object width = bound.or(2, Values.NONE);
    pretty = width != Values.NONE;
    indent = width instanceof Text text ? text.toString() : pretty ? spaces(width) : "";
    Object separators = bound.or(3, Values.NONE);
    boolean given = separators != Values.NONE;
    itemSeparator = given ? separator(separators, 0) : Text.of(pretty ? "," : ", ");
    keySeparator = given ? separator(separators, 1) : Text.of(": ");
    sorted = bound.truth(4, false);
  }

  private static String spaces(Object width) {
    return " ".repeat(Math.max(0, Numbers.clamped(width)));
  }

  private static Text separator(Object separators, int index) {
    List<Object> both = Operators.list(separators);
    if (both.size() != 2) {
      throw TemplateError.value("separators must be two strings");
    }
    return Printing.str(both.get(index));
  }

  static Text dumps(Object value, Arguments arguments) {
    Arguments all = new Arguments(prepend(value, arguments.positional()), arguments.named());
    Json json =
        new Json(all.bind("tojson", 1, "x", "ensure_ascii", "indent", "separators", "sort_keys"));
    json.write(value, 0);
    return json.out.toText();
  }

  private static List<Object> prepend(Object first, List<Object> rest) {
    List<Object> all = new java.util.ArrayList<>(List.of(first));
    all.addAll(rest);
    return all;
  }

  private void write(Object value, int depth) {
    if (value instanceof Text text) {
      string(text);
    } else if (value instanceof Dict dict) {
      dict(dict, depth);
    } else if (value instanceof PyList list && !list.isView() && list.kind != PyList.Kind.RANGE) {
      list(list.items, depth);
    } else {
      out.append(scalar(value));
    }
  }

  private static String scalar(Object value) {
    if (value == Values.NONE) {
      return "null";
    }
    if (value instanceof Boolean bool) {
      return bool ? "true" : "false";
    }
    if (value instanceof Double real) {
      if (real.isNaN() || real.isInfinite()) {
        return real.isNaN() ? "NaN" : real > 0 ? "Infinity" : "-Infinity";
      }
      return Printing.real(real);
    }
    if (value instanceof Long || value instanceof BigInteger) {
      return value.toString();
    }
    throw TemplateError.type(
        "Object of type " + Values.typeName(value) + " is not JSON serializable");
  }

  private void list(List<Object> items, int depth) {
    if (items.isEmpty()) {
      out.append("[]");
      return;
    }
    out.append("[");
    for (int i = 0; i < items.size(); i++) {
      begin(i, depth + 1);
      write(items.get(i), depth + 1);
    }
    line(depth);
    out.append("]");
  }

  private void dict(Dict dict, int depth) {
    if (dict.size() == 0) {
      out.append("{}");
      return;
    }
    List<Object> items = dict.items().items;
    if (sorted) {
      items = items.stream().sorted((a, b) -> Operators.order(key(a), key(b))).toList();
    }
    out.append("{");
    for (int i = 0; i < items.size(); i++) {
      begin(i, depth + 1);
      string(keyText(key(items.get(i))));
      out.append(keySeparator);
      write(((PyList) items.get(i)).items.get(1), depth + 1);
    }
    line(depth);
    out.append("}");
  }

  private static Object key(Object item) {
    return ((PyList) item).items.get(0);
  }

  private static Text keyText(Object key) {
    if (key instanceof Text text) {
      return text;
    }
    if (key == Values.NONE || Numbers.isNumber(key)) {
      return Text.of(scalar(key));
    }
    throw TemplateError.type(
        "keys must be str, int, float, bool or None, not " + Values.typeName(key));
  }

  private void begin(int index, int depth) {
    if (index > 0) {
      out.append(itemSeparator);
    }
    line(depth);
  }

  private void line(int depth) {
    if (pretty) {
      out.append("\n").append(indent.repeat(depth));
    }
  }

  private void string(Text text) {
    String value = text.toString();
    StringBuilder escaped = new StringBuilder(value.length() + 2);
    for (int i = 0; i < value.length(); i++) {
      escape(value.charAt(i), escaped);
    }
    out.append('"').append(text.changed(escaped.toString())).append('"');
  }

  private void escape(char c, StringBuilder escaped) {
    int known = "\"\\\n\r\t\b\f".indexOf(c);
    if (known >= 0) {
      escaped.append('\\').append("\"\\nrtbf".charAt(known));
    } else if (c < ' ' || (ascii && c > '~')) {
      escaped.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
    } else {
      escaped.append(c);
    }
  }
}
