package org.sparkfinetune.data.jinja;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.sparkfinetune.data.jinja.Arguments.Bound;
import org.sparkfinetune.data.jinja.TemplateError.Kind;
import org.sparkfinetune.data.jinja.Values.Dict;
import org.sparkfinetune.data.jinja.Values.PyIterator;
import org.sparkfinetune.data.jinja.Values.PyList;
import org.sparkfinetune.data.jinja.Values.Undefined;

/**
 * What stands behind {@code |}: filters of one value; {@link SequenceFilters} has those of many.
 */
final class Filters {
  interface Filter {
    Object apply(Scope scope, Object value, Arguments arguments);
  }

  /** jinja2 has these too; no chat template seen uses them. */
  private static final Set<String> UNSUPPORTED =
      Set.of("filesizeformat", "pprint", "random", "striptags", "urlize", "wordwrap", "xmlattr");

  private static final Pattern WORD = Pattern.compile("\\w+", Pattern.UNICODE_CHARACTER_CLASS);
  private static final Pattern BEFORE_WORD =
      Pattern.compile("[-\\s({\\[<]+", Pattern.UNICODE_CHARACTER_CLASS);

  private static final Map<String, Filter> FILTERS = new HashMap<>();

  static {
    FILTERS.putAll(SequenceFilters.FILTERS);
    FILTERS.put("tojson", (s, v, a) -> Json.dumps(v, a));
    FILTERS.put("default", (s, v, a) -> otherwise(v, a));
    FILTERS.put("d", (s, v, a) -> otherwise(v, a));
    FILTERS.put("trim", Filters::trim);
    FILTERS.put("string", (s, v, a) -> Printing.str(v));
    FILTERS.put("safe", (s, v, a) -> Printing.str(v).asMarkup());
    FILTERS.put("escape", (s, v, a) -> Printing.escape(Printing.str(v)));
    FILTERS.put("e", (s, v, a) -> Printing.escape(Printing.str(v)));
    FILTERS.put("forceescape", (s, v, a) -> Printing.escape(Printing.str(v).asPlain()));
    for (String name : new String[] {"upper", "lower", "capitalize"}) {
      FILTERS.put(name, (s, v, a) -> method(s, Printing.str(v), name, a));
    }
    FILTERS.put("title", (s, v, a) -> title(Printing.str(v)));
    FILTERS.put("replace", (s, v, a) -> replace(v, a));
    FILTERS.put("center", (s, v, a) -> center(Printing.str(v), a));
    FILTERS.put("indent", (s, v, a) -> indent(v, a));
    FILTERS.put("truncate", (s, v, a) -> truncate(v, a));
    FILTERS.put(
        "wordcount", (s, v, a) -> WORD.matcher(Printing.str(v).toString()).results().count());
    FILTERS.put("format", (s, v, a) -> format(Printing.str(v), a));
    FILTERS.put("urlencode", (s, v, a) -> urlEncode(v));
    FILTERS.put("int", (s, v, a) -> toInteger(v, a.bind("int", 0, "default", "base")));
    FILTERS.put("float", (s, v, a) -> toReal(v, a.bind("float", 0, "default").or(0, 0.0)));
    FILTERS.put("abs", (s, v, a) -> abs(v));
    FILTERS.put("round", (s, v, a) -> round(v, a.bind("round", 0, "precision", "method")));
    FILTERS.put("attr", (s, v, a) -> attribute(v, a.bind("attr", 1, "name").text(0, "")));
    FILTERS.put("length", (s, v, a) -> Operators.length(v));
    FILTERS.put("count", (s, v, a) -> Operators.length(v));
  }

  private Filters() {}

  static boolean knows(String name) {
    return FILTERS.containsKey(name) || UNSUPPORTED.contains(name);
  }

  static Filter named(String name) {
    Filter filter = FILTERS.get(name);
    if (filter != null) {
      return filter;
    }
    if (UNSUPPORTED.contains(name)) {
      throw new TemplateError(Kind.UNSUPPORTED, "the filter '" + name + "' is not supported");
    }
    throw new TemplateError(Kind.RUNTIME, "No filter named '" + name + "' found.");
  }

  private static Object method(Scope scope, Text text, String name, Arguments arguments) {
    return Access.call(scope, Access.attribute(text, name), arguments);
  }

  private static Object otherwise(Object value, Arguments arguments) {
    Bound bound = arguments.bind("default", 0, "default_value", "boolean");
    boolean replaced =
        value instanceof Undefined || (bound.truth(1, false) && !Operators.truth(value));
    return replaced ? bound.or(0, Text.EMPTY) : value;
  }

  private static Object trim(Scope scope, Object value, Arguments arguments) {
    Bound bound = arguments.bind("trim", 0, "chars");
    return method(scope, Printing.str(value), "strip", Arguments.of(bound.or(0, Values.NONE)));
  }

  /** By jinja2's rule: a word begins behind white space, a hyphen or an opening bracket. */
  private static Text title(Text text) {
    String value = text.toString();
    StringBuilder out = new StringBuilder();
    Matcher between = BEFORE_WORD.matcher(value);
    int from = 0;
    while (between.find()) {
      out.append(capitalized(value.substring(from, between.start()))).append(between.group());
      from = between.end();
    }
    return text.changed(out.append(capitalized(value.substring(from))).toString());
  }

  private static String capitalized(String word) {
    if (word.isEmpty()) {
      return word;
    }
    int first = Character.charCount(word.codePointAt(0));
    return word.substring(0, first).toUpperCase(java.util.Locale.ROOT)
        + StringMethods.lower(word.substring(first));
  }

  private static Object replace(Object value, Arguments arguments) {
    Bound bound = arguments.bind("replace", 2, "old", "new", "count");
    Object count = bound.or(2, Values.NONE);
    return StringMethods.replace(
        Printing.str(value).asPlain(),
        bound.text(0, "").toString(),
        bound.text(1, "").asPlain(),
        count == Values.NONE ? -1 : Numbers.clamped(count));
  }

  private static Text center(Text text, Arguments arguments) {
    int width = arguments.bind("center", 0, "width").integer(0, 80);
    return StringMethods.pad(text, "center", width, Text.of(" "));
  }

  private static Object indent(Object value, Arguments arguments) {
    Bound bound = arguments.bind("indent", 0, "width", "first", "blank");
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (value instanceof PyList list && list.kind == PyList.Kind.LIST) {
      throw new TemplateError(Kind.ATTRIBUTE, "'list' object has no attribute 'splitlines'");
    }
    if (!(value instanceof Text text)) {
      throw TemplateError.type(
          "unsupported operand type(s) for +=: '" + Values.typeName(value) + "' and 'str'");
    }
    Object width = bound.or(0, 4L);
    Text indention =
        width instanceof Text given
            ? given
            : Text.of(" ".repeat(Math.max(0, Numbers.clamped(width))));
    Text ended = new TextBuilder().append(text).append("\n").toText();
    TextBuilder out = new TextBuilder();
    boolean first = true;
    for (Text line : StringMethods.lines(ended, false)) {
      out.append(first ? "" : "\n");
      boolean indented = first ? bound.truth(1, false) : bound.truth(2, false) || !line.isEmpty();
      out.append(indented ? indention : Text.EMPTY).append(line);
      first = false;
    }
    return text.isMarkup() ? out.toText().asMarkup() : out.toText();
  }

  private static Object truncate(Object value, Arguments arguments) {
    Bound bound = arguments.bind("truncate", 0, "length", "killwords", "end", "leeway");
    Text end = bound.text(2, "...");
    int length = bound.integer(0, 255);
    int leeway = bound.or(3, Values.NONE) == Values.NONE ? 5 : bound.integer(3, 5);
    if (length < end.length() || leeway < 0) {
      throw new TemplateError(
          Kind.VALUE, "expected length >= " + end.length() + " and leeway >= 0, got " + length);
    }
    if (Operators.length(value) <= (long) length + leeway) {
      return value;
    }
    Object kept = Access.slice(value, Values.NONE, (long) length - end.length(), Values.NONE);
    if (!(kept instanceof Text text)) {
      throw TemplateError.type("truncate needs a string, not " + Values.typeName(value));
    }
    if (!bound.truth(1, false)) {
      int space = text.toString().lastIndexOf(' ');
      text = space < 0 ? text : text.cut(0, space);
    }
    return new TextBuilder().append(text).append(end).toText();
  }

  private static Object format(Text text, Arguments arguments) {
    if (!arguments.named().isEmpty()) {
      if (!arguments.positional().isEmpty()) {
        throw TemplateError.type("can't handle positional and keyword arguments at the same time");
      }
      Dict dict = new Dict();
      arguments.named().forEach((name, value) -> dict.put(Text.of(name), value));
      return PercentFormat.apply(text, dict);
    }
    return PercentFormat.apply(text, new PyList(PyList.Kind.TUPLE, arguments.positional()));
  }

  private static Object urlEncode(Object value) {
    if (!(value instanceof Dict || value instanceof PyList || value instanceof PyIterator)) {
      return Printing.str(value).changed(quote(value).replace("%2F", "/"));
    }
    List<String> pairs = new ArrayList<>();
    List<Object> items = value instanceof Dict dict ? dict.items().items : Operators.list(value);
    for (Object item : items) {
      List<Object> pair = Operators.list(item);
      if (pair.size() != 2) {
        throw TemplateError.value("not enough or too many values to unpack (expected 2)");
      }
      pairs.add(
          quote(pair.get(0)).replace("%20", "+") + "=" + quote(pair.get(1)).replace("%20", "+"));
    }
    return Text.of(String.join("&", pairs));
  }

  private static String quote(Object value) {
    return URLEncoder.encode(Printing.str(value).toString(), StandardCharsets.UTF_8)
        .replace("+", "%20")
        .replace("*", "%2A")
        .replace("%7E", "~");
  }

  private static Object toInteger(Object value, Bound bound) {
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    Object otherwise = bound.or(0, 0L);
    try {
      if (value instanceof Text text) {
        return NumberText.integer(text.toString(), bound.integer(1, 10));
      }
      return truncated(value);
    } catch (NumberFormatException e) {
      Object real = toReal(value, Values.NONE);
      return real instanceof Double number && !number.isNaN() && !number.isInfinite()
          ? truncated(real)
          : otherwise;
    }
  }

  private static Object truncated(Object value) {
    if (value instanceof Double real) {
      if (real.isInfinite()) {
        throw new TemplateError(Kind.OVERFLOW, "cannot convert float infinity to integer");
      }
      // A NaN has no decimal value: NumberFormatException, as for a text that is no number.
      return Numbers.normal(new java.math.BigDecimal(real).toBigInteger());
    }
    if (Numbers.isInteger(value)) {
      return Numbers.normal(Numbers.big(value));
    }
    throw new NumberFormatException("not a number");
  }

  private static Object toReal(Object value, Object otherwise) {
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (Numbers.isNumber(value)) {
      return Numbers.real(value);
    }
    try {
      return value instanceof Text text ? NumberText.real(text.toString()) : otherwise;
    } catch (NumberFormatException e) {
      return otherwise;
    }
  }

  private static Object abs(Object value) {
    if (value instanceof Double real) {
      return Math.abs(real);
    }
    if (Numbers.isInteger(value)) {
      return Numbers.normal(Numbers.big(value).abs());
    }
    throw TemplateError.type("bad operand type for abs(): '" + Values.typeName(value) + "'");
  }

  private static Object round(Object value, Bound bound) {
    int precision = bound.integer(0, 0);
    String method = bound.text(1, "common").toString();
    if (!Set.of("common", "ceil", "floor").contains(method)) {
      throw new TemplateError(Kind.FILTER_ARGUMENT, "method must be common, ceil or floor");
    }
    boolean undefined = value instanceof Undefined && !method.equals("common");
    if (!Numbers.isNumber(value) && !undefined) {
      throw TemplateError.type(
          "type " + Values.typeName(value) + " doesn't define __round__ method");
    }
    if (method.equals("common")) {
      return value instanceof Double real
          ? (Object) Numbers.round(real, precision)
          : roundInteger(value, precision);
    }
    if (value instanceof Undefined missing) {
      throw missing.error();
    }
    double factor = Math.pow(10, precision);
    double scaled = Numbers.real(value) * factor;
    return (method.equals("ceil") ? Math.ceil(scaled) : Math.floor(scaled)) / factor;
  }

  private static Object roundInteger(Object value, int precision) {
    return Numbers.normal(
        new java.math.BigDecimal(Numbers.big(value))
            .setScale(Math.min(0, Math.max(precision, -1000)), java.math.RoundingMode.HALF_EVEN)
            .toBigInteger());
  }

  private static Object attribute(Object value, Text name) {
    Object own = Access.own(value, name.toString().intern());
    return own != null
        ? own
        : Undefined.of("'" + Values.typeName(value) + " object' has no attribute '" + name + "'");
  }
}
