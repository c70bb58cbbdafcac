package org.sparkfinetune.data.jinja;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.IntPredicate;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.jinja.Arguments.Bound;
import org.sparkfinetune.data.jinja.Values.Callable;
import org.sparkfinetune.data.jinja.Values.PyList;

/** The methods of Python's {@code str}. */
final class StringMethods {
  interface Method {
    Object call(Scope scope, Text text, Arguments arguments);
  }

  private static final Map<String, Method> METHODS = new HashMap<>();

  static {
    map("upper", t -> t.toUpperCase(Locale.ROOT));
    map("lower", t -> lower(t));
    map("casefold", StringMethods::caseFold);
    map("capitalize", StringMethods::capitalize);
    map("title", StringMethods::title);
    map("swapcase", StringMethods::swapCase);
    test("isspace", t -> all(t, Text::isSpace));
    test("isalpha", t -> all(t, Character::isLetter));
    test("isdigit", t -> all(t, StringMethods::isDigit));
    test("isdecimal", t -> all(t, Character::isDigit));
    test("isnumeric", t -> all(t, StringMethods::isNumeric));
    test("isalnum", t -> all(t, c -> Character.isLetter(c) || isNumeric(c)));
    test("isascii", t -> t.codePoints().allMatch(c -> c < 128));
    test("isprintable", t -> t.codePoints().allMatch(Printing::isPrintable));
    test("isidentifier", t -> t.matches("(?U)[\\p{L}_][\\p{L}\\p{Mn}\\p{Mc}\\p{Nd}\\p{Pc}]*"));
    test("islower", StringMethods::isLower);
    test("isupper", StringMethods::isUpper);
    test("istitle", t -> t.equals(title(t)) && isCased(t));
    METHODS.put("strip", (s, t, a) -> strip(t, "strip", a, true, true));
    METHODS.put("lstrip", (s, t, a) -> strip(t, "lstrip", a, true, false));
    METHODS.put("rstrip", (s, t, a) -> strip(t, "rstrip", a, false, true));
    METHODS.put("startswith", (s, t, a) -> hasEdge(t, a, "startswith", String::startsWith));
    METHODS.put("endswith", (s, t, a) -> hasEdge(t, a, "endswith", String::endsWith));
    METHODS.put("removeprefix", StringMethods::removePrefix);
    METHODS.put("removesuffix", StringMethods::removeSuffix);
    METHODS.put("find", (s, t, a) -> find(t, "find", a, false));
    METHODS.put("rfind", (s, t, a) -> find(t, "rfind", a, true));
    METHODS.put("index", (s, t, a) -> index(find(t, "index", a, false)));
    METHODS.put("rindex", (s, t, a) -> index(find(t, "rindex", a, true)));
    METHODS.put("count", StringMethods::count);
    METHODS.put("split", (s, t, a) -> split(t, "split", a, false));
    METHODS.put("rsplit", (s, t, a) -> split(t, "rsplit", a, true));
    METHODS.put("splitlines", StringMethods::splitLines);
    METHODS.put("partition", (s, t, a) -> partition(t, "partition", a, false));
    METHODS.put("rpartition", (s, t, a) -> partition(t, "rpartition", a, true));
    METHODS.put("join", StringMethods::join);
    METHODS.put("replace", StringMethods::replace);
    METHODS.put("center", (s, t, a) -> pad(t, "center", a));
    METHODS.put("ljust", (s, t, a) -> pad(t, "ljust", a));
    METHODS.put("rjust", (s, t, a) -> pad(t, "rjust", a));
    METHODS.put("zfill", StringMethods::zeroFill);
    METHODS.put("expandtabs", StringMethods::expandTabs);
    unsupported("encode", "maketrans", "translate");
    METHODS.put("format", (s, t, a) -> BraceFormat.apply(t, a));
    METHODS.put(
        "format_map", (s, t, a) -> BraceFormat.applyMap(t, a.bind("format_map", 1, "m").get(0)));
  }

  /** Python has them; bytes and tables of characters are no business of a chat template. */
  private static void unsupported(String... names) {
    for (String name : names) {
      METHODS.put(name, (s, t, a) -> Functions.unsupported("str." + name));
    }
  }

  private StringMethods() {}

  private static void map(String name, Function<String, String> mapping) {
    METHODS.put(
        name,
        (scope, text, arguments) -> {
          arguments.bind(name, 0);
          return text.changed(mapping.apply(text.toString()));
        });
  }

  private static void test(String name, Predicate<String> test) {
    METHODS.put(
        name,
        (scope, text, arguments) -> {
          arguments.bind(name, 0);
          return test.test(text.toString());
        });
  }

  static @Nullable Callable method(Text text, String name) {
    Method method = METHODS.get(name);
    return method == null ? null : (scope, arguments) -> method.call(scope, text, arguments);
  }

  private static boolean all(String text, IntPredicate test) {
    return !text.isEmpty() && text.codePoints().allMatch(test);
  }

  private static boolean isDigit(int c) {
    return Character.isDigit(c)
        || (Character.getType(c) == Character.OTHER_NUMBER
            && (c == 0xb2
                || c == 0xb3
                || c == 0xb9
                || (c >= 0x2070 && c <= 0x2089)
                || (c >= 0x2460 && c <= 0x2468)));
  }

  private static boolean isNumeric(int c) {
    int type = Character.getType(c);
    return type == Character.DECIMAL_DIGIT_NUMBER
        || type == Character.LETTER_NUMBER
        || type == Character.OTHER_NUMBER
        || "一二三四五六七八九十百千万".indexOf(c) >= 0;
  }

  private static boolean isCased(int c) {
    return Character.isUpperCase(c) || Character.isLowerCase(c) || Character.isTitleCase(c);
  }

  private static boolean isCased(String text) {
    return text.codePoints().anyMatch(StringMethods::isCased);
  }

  static boolean isLower(String text) {
    return isCased(text)
        && text.codePoints().noneMatch(c -> Character.isUpperCase(c) || Character.isTitleCase(c));
  }

  static boolean isUpper(String text) {
    return isCased(text)
        && text.codePoints().noneMatch(c -> Character.isLowerCase(c) || Character.isTitleCase(c));
  }

  static String lower(String text) {
    return text.toLowerCase(Locale.ROOT);
  }

  private static String caseFold(String text) {
    return lower(text.toUpperCase(Locale.ROOT)).replace('ς', 'σ');
  }

  static String capitalize(String text) {
    if (text.isEmpty()) {
      return text;
    }
    int first = Character.charCount(text.codePointAt(0));
    return titleCase(text.codePointAt(0)) + lower(text.substring(first));
  }

  private static String titleCase(int c) {
    int title = Character.toTitleCase(c);
    String character = Character.toString(c);
    String upper = character.toUpperCase(Locale.ROOT);
    boolean expands = upper.codePointCount(0, upper.length()) > 1;
    return expands
        ? Character.toString(upper.codePointAt(0))
            + lower(upper.substring(Character.charCount(upper.codePointAt(0))))
        : Character.toString(title);
  }

  private static String title(String text) {
    StringBuilder out = new StringBuilder();
    boolean inWord = false;
    for (int c : text.codePoints().toArray()) {
      out.append(inWord ? lower(Character.toString(c)) : titleCase(c));
      inWord = isCased(c);
    }
    return out.toString();
  }

  private static String swapCase(String text) {
    StringBuilder out = new StringBuilder();
    text.codePoints()
        .mapToObj(Character::toString)
        .forEach(
            c ->
                out.append(
                    Character.isUpperCase(c.codePointAt(0))
                        ? lower(c)
                        : c.toUpperCase(Locale.ROOT)));
    return out.toString();
  }

  private static Text required(String function, Object value) {
    if (value instanceof Text text) {
      return text;
    }
    throw TemplateError.type(
        "%s() argument must be str, not %s".formatted(function, Values.typeName(value)));
  }

  private static Text strip(
      Text text, String name, Arguments arguments, boolean left, boolean right) {
    Object characters = arguments.bind(name, 0, "chars").or(0, Values.NONE);
    if (characters == Values.NONE) {
      return text.strip(left, right, Text::isSpace);
    }
    String drops = required(name, characters).toString();
    return text.strip(left, right, c -> drops.indexOf(c) >= 0);
  }

  /** The part that optional start and end of a method name, as UTF-16 units. */
  private record Range(int from, int to, boolean valid) {
    static Range of(Text text, Bound bound, int start) {
      int size = text.length();
      Object first = bound.or(start, Values.NONE);
      Object last = bound.or(start + 1, Values.NONE);
      boolean beyond = Numbers.isInteger(first) && Numbers.clamped(first) > size;
      int from = first == Values.NONE ? 0 : Access.bound(first, 1, size);
      int to = last == Values.NONE ? size : Access.bound(last, 1, size);
      return new Range(text.unit(from), text.unit(Math.max(from, to)), !beyond && from <= to);
    }
  }

  private interface Edge {
    boolean matches(String text, String edge);
  }

  private static boolean hasEdge(Text text, Arguments arguments, String name, Edge edge) {
    Bound bound = arguments.bind(name, 1, "affix", "start", "end");
    Range range = Range.of(text, bound, 1);
    String part = text.toString().substring(range.from(), range.to());
    Object affix = bound.get(0);
    if (affix instanceof PyList list && list.type() == PyList.Kind.TUPLE) {
      return range.valid()
          && list.items.stream().anyMatch(i -> edge.matches(part, required(name, i).toString()));
    }
    return edge.matches(part, required(name, affix).toString()) && range.valid();
  }

  private static Text removePrefix(Scope scope, Text text, Arguments arguments) {
    String prefix =
        required("removeprefix", arguments.bind("removeprefix", 1, "p").get(0)).toString();
    boolean has = text.toString().startsWith(prefix);
    return has ? text.cut(prefix.length(), text.toString().length()) : text;
  }

  private static Text removeSuffix(Scope scope, Text text, Arguments arguments) {
    String suffix =
        required("removesuffix", arguments.bind("removesuffix", 1, "s").get(0)).toString();
    boolean has = text.toString().endsWith(suffix);
    return has ? text.cut(0, text.toString().length() - suffix.length()) : text;
  }

  private static long find(Text text, String name, Arguments arguments, boolean last) {
    Bound bound = arguments.bind(name, 1, "sub", "start", "end");
    String wanted = required(name, bound.get(0)).toString();
    Range range = Range.of(text, bound, 1);
    String part = text.toString().substring(range.from(), range.to());
    int at = last ? part.lastIndexOf(wanted) : part.indexOf(wanted);
    return at < 0 || !range.valid() ? -1 : text.toString().codePointCount(0, range.from() + at);
  }

  private static Object index(long found) {
    if (found < 0) {
      throw TemplateError.value("substring not found");
    }
    return found;
  }

  private static Object count(Scope scope, Text text, Arguments arguments) {
    Bound bound = arguments.bind("count", 1, "sub", "start", "end");
    String wanted = required("count", bound.get(0)).toString();
    Range range = Range.of(text, bound, 1);
    if (!range.valid()) {
      return 0L;
    }
    Text part = text.cut(range.from(), range.to());
    if (wanted.isEmpty()) {
      return part.length() + 1L;
    }
    return (long) parts(part, wanted, Integer.MAX_VALUE).size() - 1;
  }

  /** The pieces of a text between the first {@code limit} occurrences of a separator. */
  static List<Text> parts(Text text, String separator, int limit) {
    List<Text> parts = new ArrayList<>();
    String value = text.toString();
    int from = 0;
    int at = value.indexOf(separator);
    while (at >= 0 && parts.size() < limit) {
      parts.add(text.cut(from, at));
      from = at + separator.length();
      at = value.indexOf(separator, from);
    }
    parts.add(text.cut(from, value.length()));
    return parts;
  }

  private static List<Text> partsFromRight(Text text, String separator, int limit) {
    List<Text> parts = new ArrayList<>();
    String value = text.toString();
    int to = value.length();
    int at = value.lastIndexOf(separator);
    while (at >= 0 && parts.size() < limit) {
      parts.add(0, text.cut(at + separator.length(), to));
      to = at;
      at = to < separator.length() ? -1 : value.lastIndexOf(separator, to - separator.length());
    }
    parts.add(0, text.cut(0, to));
    return parts;
  }

  private static Object split(Text text, String name, Arguments arguments, boolean fromRight) {
    Bound bound = arguments.bind(name, 0, "sep", "maxsplit");
    int limit = bound.integer(1, -1);
    int most = limit < 0 ? Integer.MAX_VALUE : limit;
    Object separator = bound.or(0, Values.NONE);
    if (separator == Values.NONE) {
      return PyList.of(fromRight ? wordsFromRight(text, most) : words(text, most));
    }
    String between = required(name, separator).toString();
    if (between.isEmpty()) {
      throw TemplateError.value("empty separator");
    }
    return PyList.of(
        List.copyOf(fromRight ? partsFromRight(text, between, most) : parts(text, between, most)));
  }

  private static List<Object> words(Text text, int limit) {
    List<Object> words = new ArrayList<>();
    Text rest = text.strip(true, false, Text::isSpace);
    while (!rest.isEmpty()) {
      String value = rest.toString();
      int end = 0;
      while (end < value.length() && !Text.isSpace(value.codePointAt(end))) {
        end += Character.charCount(value.codePointAt(end));
      }
      if (words.size() == limit) {
        words.add(rest);
        return words;
      }
      words.add(rest.cut(0, end));
      rest = rest.cut(end, value.length()).strip(true, false, Text::isSpace);
    }
    return words;
  }

  private static List<Object> wordsFromRight(Text text, int limit) {
    List<Object> words = new ArrayList<>();
    Text rest = text.strip(false, true, Text::isSpace);
    while (!rest.isEmpty()) {
      String value = rest.toString();
      int start = value.length();
      while (start > 0 && !Text.isSpace(value.codePointBefore(start))) {
        start -= Character.charCount(value.codePointBefore(start));
      }
      if (words.size() == limit) {
        words.add(0, rest);
        return words;
      }
      words.add(0, rest.cut(start, value.length()));
      rest = rest.cut(0, start).strip(false, true, Text::isSpace);
    }
    return words;
  }

  private static Object splitLines(Scope scope, Text text, Arguments arguments) {
    boolean keepEnds = arguments.bind("splitlines", 0, "keepends").truth(0, false);
    return PyList.of(List.copyOf(lines(text, keepEnds)));
  }

  static List<Text> lines(Text text, boolean keepEnds) {
    List<Text> lines = new ArrayList<>();
    String value = text.toString();
    int from = 0;
    for (int i = 0; i < value.length(); i++) {
      if ("\n\r\u000b\f\u001c\u001d\u001e\u0085\u2028\u2029".indexOf(value.charAt(i)) >= 0) {
        int end = i;
        if (value.startsWith("\r\n", i)) {
          i++;
        }
        lines.add(text.cut(from, keepEnds ? i + 1 : end));
        from = i + 1;
      }
    }
    if (from < value.length()) {
      lines.add(text.cut(from, value.length()));
    }
    return lines;
  }

  private static Object partition(Text text, String name, Arguments arguments, boolean last) {
    Text separator = required(name, arguments.bind(name, 1, "sep").get(0));
    if (separator.isEmpty()) {
      throw TemplateError.value("empty separator");
    }
    List<Text> parts =
        last ? partsFromRight(text, separator.toString(), 1) : parts(text, separator.toString(), 1);
    boolean markup = text.isMarkup();
    Text empty = markup ? Text.EMPTY.asMarkup() : Text.EMPTY;
    if (parts.size() == 1) {
      return last ? PyList.tuple(empty, empty, text) : PyList.tuple(text, empty, empty);
    }
    Text between = markup ? separator.asMarkup() : separator;
    return PyList.tuple(parts.get(0), between, parts.get(1));
  }

  private static Object join(Scope scope, Text separator, Arguments arguments) {
    TextBuilder joined = new TextBuilder();
    boolean first = true;
    int index = 0;
    for (Object item : Operators.list(arguments.bind("join", 1, "iterable").get(0))) {
      if (!(item instanceof Text text)) {
        throw TemplateError.type(
            "sequence item %s: expected str instance, %s found"
                .formatted(index, Values.typeName(item)));
      }
      joined.append(first ? Text.EMPTY : separator).append(text);
      first = false;
      index++;
    }
    return joined.toText();
  }

  private static Object replace(Scope scope, Text text, Arguments arguments) {
    Bound bound = arguments.bind("replace", 2, "old", "new", "count");
    Text old = required("replace", bound.get(0));
    return replace(text, old.toString(), required("replace", bound.get(1)), bound.integer(2, -1));
  }

  static Text replace(Text text, String old, Text by, int count) {
    int limit = count < 0 ? Integer.MAX_VALUE : count;
    List<Text> parts = old.isEmpty() ? betweenCharacters(text, limit) : parts(text, old, limit);
    if (parts.size() == 1) {
      return text;
    }
    TextBuilder joined = new TextBuilder().append(parts.get(0));
    parts.subList(1, parts.size()).forEach(part -> joined.append(by).append(part));
    return text.isMarkup() ? joined.toText().asMarkup() : joined.toText();
  }

  /** Python replaces an empty text before each character and at the end. */
  private static List<Text> betweenCharacters(Text text, int limit) {
    List<Text> parts = new ArrayList<>(List.of(Text.EMPTY));
    int at = 0;
    while (at < text.length() && parts.size() < limit) {
      parts.add(text.slice(at, at + 1));
      at++;
    }
    if (limit == 0) {
      return List.of(text);
    }
    if (at < text.length()) {
      parts.add(text.slice(at, text.length()));
    } else if (parts.size() <= limit) {
      parts.add(Text.EMPTY);
    }
    return parts;
  }

  private static Object pad(Text text, String name, Arguments arguments) {
    Bound bound = arguments.bind(name, 1, "width", "fillchar");
    Text fill = required(name, bound.or(1, Text.of(" ")));
    if (fill.length() != 1) {
      throw TemplateError.type("The fill character must be exactly one character long");
    }
    return pad(text, name, Numbers.clamped(bound.get(0)), fill);
  }

  static Text pad(Text text, String how, int width, Text fill) {
    TextBuilder.checkLength(width);
    int missing = Math.max(0, width - text.length());
    int left =
        switch (how) {
          case "ljust" -> 0;
          case "rjust" -> missing;
          default -> missing / 2 + (missing & width & 1);
        };
    TextBuilder padded = new TextBuilder();
    padded.append(fill.toString().repeat(left)).append(text);
    return padded.append(fill.toString().repeat(missing - left)).toText();
  }

  private static Object zeroFill(Scope scope, Text text, Arguments arguments) {
    int width = Numbers.clamped(arguments.bind("zfill", 1, "width").get(0));
    boolean signed = text.toString().startsWith("-") || text.toString().startsWith("+");
    int sign = signed ? 1 : 0;
    Text digits = pad(text.slice(sign, text.length()), "rjust", width - sign, Text.of("0"));
    return new TextBuilder().append(text.slice(0, sign)).append(digits).toText();
  }

  private static Object expandTabs(Scope scope, Text text, Arguments arguments) {
    int size = arguments.bind("expandtabs", 0, "tabsize").integer(0, 8);
    StringBuilder out = new StringBuilder();
    int column = 0;
    for (int c : text.toString().codePoints().toArray()) {
      if (c == '\t') {
        int spaces = size > 0 ? size - column % size : 0;
        out.append(" ".repeat(spaces));
        column += spaces;
      } else {
        out.appendCodePoint(c);
        column = c == '\n' || c == '\r' ? 0 : column + 1;
      }
    }
    return text.changed(out.toString());
  }
}
