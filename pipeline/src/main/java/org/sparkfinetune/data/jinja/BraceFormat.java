package org.sparkfinetune.data.jinja;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.sparkfinetune.data.jinja.TemplateError.Kind;
import org.sparkfinetune.data.jinja.Values.Dict;
import org.sparkfinetune.data.jinja.Values.PyList;

/** {@code 'format'.format(…)}, with attributes looked up as the sandbox allows. */
final class BraceFormat {
  private static final Pattern SPEC =
      Pattern.compile(
          "(?:(?<fill>.)?(?<align>[<>=^]))?(?<sign>[-+"
              + " ])?z?(?<alternate>#)?(?<zero>0)?(?<width>\\d+)?(?<group>[,_])?(?:\\.(?<precision>\\d+))?(?<type>[a-zA-Z%])?",
          Pattern.DOTALL);

  private static final Pattern FIELD =
      Pattern.compile("\\.(?<name>[^.\\[]+)|\\[(?<key>[^\\]]+)\\]");

  private final Arguments arguments;
  private int automatic = 0;

  private BraceFormat(Arguments arguments) {
    this.arguments = arguments;
  }

  static Text apply(Text format, Arguments arguments) {
    return new BraceFormat(arguments).format(format, 2);
  }

  static Text applyMap(Text format, Object mapping) {
    if (!(mapping instanceof Dict dict)) {
      throw TemplateError.type("format_map() argument must be a mapping");
    }
    Map<String, Object> named = new LinkedHashMap<>();
    for (Object item : dict.items().items) {
      named.put(
          Printing.str(((PyList) item).items.get(0)).toString(), ((PyList) item).items.get(1));
    }
    return apply(format, new Arguments(List.of(), named));
  }

  private Text format(Text format, int depth) {
    if (depth == 0) {
      throw TemplateError.value("Max string recursion exceeded");
    }
    String text = format.toString();
    TextBuilder out = new TextBuilder();
    int at = 0;
    while (at < text.length()) {
      char c = text.charAt(at);
      if (c != '{' && c != '}') {
        int end = at;
        while (end < text.length() && text.charAt(end) != '{' && text.charAt(end) != '}') {
          end++;
        }
        out.append(format.cut(at, end));
        at = end;
      } else if (at + 1 < text.length() && text.charAt(at + 1) == c) {
        out.append(c);
        at += 2;
      } else if (c == '}') {
        throw TemplateError.value("Single '}' encountered in format string");
      } else {
        int end = fieldEnd(text, at + 1);
        out.append(field(format.cut(at + 1, end), depth));
        at = end + 1;
      }
    }
    return format.isMarkup() ? out.toText().asMarkup() : out.toText();
  }

  private static int fieldEnd(String text, int from) {
    int open = 1;
    for (int i = from; i < text.length(); i++) {
      open += text.charAt(i) == '{' ? 1 : text.charAt(i) == '}' ? -1 : 0;
      if (open == 0) {
        return i;
      }
    }
    throw TemplateError.value(
        from == text.length()
            ? "Single '{' encountered in format string"
            : "expected '}' before end of string");
  }

  private Text field(Text field, int depth) {
    String text = field.toString();
    int colon = text.indexOf(':');
    Text spec = colon < 0 ? Text.EMPTY : field.cut(colon + 1, text.length());
    String name = colon < 0 ? text : text.substring(0, colon);
    int mark = name.indexOf('!');
    String conversion = mark < 0 ? "" : name.substring(mark + 1);
    Object value = value(mark < 0 ? name : name.substring(0, mark));
    if (mark >= 0) {
      value =
          switch (conversion) {
            case "s" -> Printing.str(value);
            case "r" -> Printing.repr(value);
            case "a" -> PercentFormat.apply(Text.of("%a"), PyList.tuple(value));
            default ->
                throw TemplateError.value("Unknown conversion specifier '" + conversion + "'");
          };
    }
    return format(value, format(spec, depth - 1).toString());
  }

  private Object value(String name) {
    int end = 0;
    while (end < name.length() && name.charAt(end) != '.' && name.charAt(end) != '[') {
      end++;
    }
    Object value = argument(name.substring(0, end));
    Matcher field = FIELD.matcher(name);
    int at = end;
    while (at < name.length()) {
      if (!field.find(at) || field.start() != at) {
        throw TemplateError.value("Empty attribute in format string");
      }
      value = step(value, field);
      at = field.end();
    }
    return value;
  }

  private static Object step(Object value, Matcher field) {
    if (field.group("name") != null) {
      return Access.attribute(value, field.group("name"));
    }
    String key = field.group("key");
    boolean number = key.chars().allMatch(c -> c >= '0' && c <= '9');
    return Access.item(value, number ? NumberText.integer(key, 10) : Text.of(key));
  }

  private Object argument(String name) {
    if (name.isEmpty() || name.chars().allMatch(Character::isDigit)) {
      if (name.isEmpty() ? automatic < 0 : automatic > 0) {
        throw TemplateError.value(
            "cannot switch between manual field specification and automatic field numbering");
      }
      int index = name.isEmpty() ? automatic++ : Numbers.clamped(NumberText.integer(name, 10));
      if (!name.isEmpty()) {
        automatic = -1;
      }
      if (index >= arguments.positional().size()) {
        throw new TemplateError(
            Kind.INDEX, "Replacement index " + index + " out of range for positional args tuple");
      }
      return arguments.positional().get(index);
    }
    Object value = arguments.named().get(name);
    if (value == null) {
      throw new TemplateError(Kind.KEY, "'" + name + "'");
    }
    return value;
  }

  private static Text format(Object value, String spec) {
    if (spec.isEmpty()) {
      return Printing.str(value);
    }
    if (!(value instanceof Text) && !Numbers.isNumber(value)) {
      throw TemplateError.type(
          "unsupported format string passed to " + Values.typeName(value) + ".__format__");
    }
    Matcher parts = SPEC.matcher(spec);
    if (!parts.matches()) {
      throw TemplateError.value("Invalid format specifier '" + spec + "'");
    }
    return value instanceof Text text ? text(text, parts) : number(value, parts);
  }

  private static int size(String text) {
    try {
      int size = text == null ? -1 : Integer.parseInt(text);
      TextBuilder.checkLength(size);
      return size;
    } catch (NumberFormatException e) {
      throw TemplateError.value("Too many decimal digits in format string");
    }
  }

  private static Text text(Text text, Matcher spec) {
    String type = spec.group("type");
    boolean numeric =
        spec.group("sign") != null
            || "=".equals(spec.group("align"))
            || spec.group("alternate") != null;
    if ((type != null && !type.equals("s")) || numeric || spec.group("group") != null) {
      throw TemplateError.value("Unknown format code for object of type 'str'");
    }
    int precision = size(spec.group("precision"));
    Text kept = precision < 0 ? text : text.slice(0, Math.min(precision, text.length()));
    return aligned(kept, spec, "<");
  }

  private static Text aligned(Text text, Matcher spec, String otherwise) {
    boolean zero = spec.group("zero") != null;
    String align = spec.group("align") == null ? otherwise : spec.group("align");
    String fill = spec.group("fill") == null ? (zero ? "0" : " ") : spec.group("fill");
    int missing = Math.max(0, size(spec.group("width")) - text.length());
    int left = align.equals("<") ? 0 : align.equals("^") ? missing / 2 : missing;
    TextBuilder out = new TextBuilder();
    return out.append(fill.repeat(left)).append(text).append(fill.repeat(missing - left)).toText();
  }

  private static Text number(Object value, Matcher spec) {
    String type = spec.group("type") == null ? "" : spec.group("type");
    boolean real = value instanceof Double || (!type.isEmpty() && "eEfFgG%".contains(type));
    if (real && !type.isEmpty() && !"eEfFgGn%".contains(type)
        || !real && !"dxXobcn".contains(type)) {
      throw TemplateError.value(
          "Unknown format code '%s' for object of type '%s'"
              .formatted(type, Values.typeName(value)));
    }
    checkGroup(spec.group("group"), type);
    if (!real && spec.group("precision") != null) {
      throw TemplateError.value("Precision not allowed in integer format specifier");
    }
    if (!real && type.equals("c")) {
      return aligned(Text.of(Character.toString(Numbers.clamped(value))), spec, "<");
    }
    String digits = real ? real(Numbers.real(value), type, spec) : integer(value, type, spec);
    boolean negative =
        real
            ? Numbers.real(value) < 0 || 1 / Numbers.real(value) < 0
            : Numbers.big(value).signum() < 0;
    String sign =
        negative
            ? "-"
            : spec.group("sign") == null || spec.group("sign").equals("-")
                ? ""
                : spec.group("sign");
    // Behind 0x, 0o and 0b too, zeros fill.
    String start = real ? sign : sign + prefix(type, spec);
    boolean zero = spec.group("zero") != null && spec.group("align") == null;
    if (zero || "=".equals(spec.group("align"))) {
      String fill =
          spec.group("fill") != null
              ? spec.group("fill")
              : zero || spec.group("zero") != null ? "0" : " ";
      int width = size(spec.group("width")) - start.length();
      return Text.of(start + filled(digits, fill, width, spec.group("group"), groupSize(type)));
    }
    return aligned(Text.of(start + digits), spec, ">");
  }

  /** Zeros in front of grouped digits are grouped too, and may so exceed the width by one. */
  private static String filled(String digits, String fill, int width, String group, int groupSize) {
    if (group == null || !fill.equals("0")) {
      return fill.repeat(Math.max(0, width - digits.length())) + digits;
    }
    int end = 0;
    while (end < digits.length()
        && (Character.digit(digits.charAt(end), groupSize == 4 ? 16 : 10) >= 0
            || group.charAt(0) == digits.charAt(end))) {
      end++;
    }
    String whole = digits.substring(0, end).replace(group, "");
    String rest = digits.substring(end);
    while (grouped(whole, group, groupSize).length() + rest.length() < width) {
      whole = "0" + whole;
    }
    return grouped(whole, group, groupSize) + rest;
  }

  private static void checkGroup(String group, String type) {
    boolean allowed =
        group == null
            || type.isEmpty()
            || (group.equals("_") ? "deEfFgG%boxX" : "deEfFgG%").contains(type);
    if (!allowed) {
      throw TemplateError.value("Cannot specify '" + group + "' with '" + type + "'.");
    }
  }

  private static String integer(Object value, String type, Matcher spec) {
    int radix = type.equals("b") ? 2 : type.equals("o") ? 8 : type.equalsIgnoreCase("x") ? 16 : 10;
    String digits = Numbers.big(value).abs().toString(radix);
    digits = grouped(digits, spec.group("group"), groupSize(type));
    return type.equals("X") ? digits.toUpperCase(Locale.ROOT) : digits;
  }

  private static boolean isDecimal(String type) {
    return type.isEmpty() || "boxX".indexOf(type) < 0;
  }

  private static int groupSize(String type) {
    return isDecimal(type) ? 3 : 4;
  }

  private static String prefix(String type, Matcher spec) {
    return spec.group("alternate") == null || isDecimal(type) ? "" : "0" + type;
  }

  private static String real(double value, String type, Matcher spec) {
    int given = size(spec.group("precision"));
    boolean alternate = spec.group("alternate") != null;
    String digits;
    if (type.isEmpty()) {
      digits = given < 0 ? Printing.real(Math.abs(value)) : general(value, given, alternate);
    } else if (type.equals("%")) {
      digits = NumberText.digits(value * 100, 'f', given < 0 ? 6 : given, alternate) + "%";
    } else {
      char letter = type.equals("n") ? 'g' : type.charAt(0);
      digits = NumberText.digits(value, letter, given < 0 ? 6 : given, alternate);
    }
    int end = 0;
    while (end < digits.length() && Character.isDigit(digits.charAt(end))) {
      end++;
    }
    return grouped(digits.substring(0, end), spec.group("group"), 3) + digits.substring(end);
  }

  /** Like g, but with at least one digit behind the point, and one digit fewer before e. */
  private static String general(double value, int precision, boolean alternate) {
    String digits = NumberText.digits(value, 'g', precision, false);
    boolean plain = digits.chars().allMatch(Character::isDigit);
    if (plain && digits.length() == Math.max(1, precision)) {
      String exponent = NumberText.digits(value, 'e', Math.max(1, precision) - 1, alternate);
      return alternate ? exponent : exponent.replaceAll("\\.?0*e", "e");
    }
    if (alternate) {
      return NumberText.digits(value, 'g', precision, true);
    }
    return plain ? digits + ".0" : digits;
  }

  private static String grouped(String digits, String separator, int size) {
    if (separator == null) {
      return digits;
    }
    StringBuilder out = new StringBuilder(digits);
    for (int i = digits.length() - size; i > 0; i -= size) {
      out.insert(i, separator);
    }
    return out.toString();
  }
}
