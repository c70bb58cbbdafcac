package org.sparkfinetune.data.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.jinja.TemplateError.Kind;

/**
 * Python's values and what every one of them can do: truth, equality, order, length, iteration. A
 * value is {@link #NONE}, a {@code Boolean}, {@code Long}, {@code BigInteger} (beyond a long),
 * {@code Double}, {@link Text}, {@link PyList}, {@link Dict}, {@link PyIterator}, {@link
 * Undefined}, or an {@link Attributed} object such as a macro.
 */
final class Values {
  static final Object NONE =
      new Object() {
        @Override
        public String toString() {
          return "None";
        }
      };

  private Values() {}

  /** What a template can call. */
  interface Callable {
    Object call(Scope scope, Arguments arguments);
  }

  /** An object of the engine's own with attributes. */
  interface Attributed {
    /** The attribute, or null if there is none of that name. */
    @Nullable Object attribute(String name);
  }

  /** A list, tuple or other sequence; never changed, for the sandbox forbids it. */
  static class PyList {
    enum Kind {
      LIST,
      TUPLE,
      /** What {@code groupby} gives: a tuple with names. */
      GROUP,
      RANGE,
      KEYS,
      VALUES,
      ITEMS
    }

    final Kind kind;
    final List<Object> items;

    PyList(Kind kind, List<Object> items) {
      this.kind = kind;
      this.items = items;
    }

    static PyList of(List<Object> items) {
      return new PyList(Kind.LIST, items);
    }

    static PyList tuple(Object... items) {
      return new PyList(Kind.TUPLE, List.of(items));
    }

    /** Tuples of both kinds are one type for Python, and views are no sequences. */
    Kind type() {
      return kind == Kind.GROUP ? Kind.TUPLE : kind;
    }

    boolean isView() {
      return kind == Kind.KEYS || kind == Kind.VALUES || kind == Kind.ITEMS;
    }
  }

  /** A range is printed by its borders, and so are its slices. */
  static final class Range extends PyList {
    private final long start;
    private final long stop;
    private final long step;

    Range(long start, long stop, long step) {
      super(Kind.RANGE, items(start, stop, step));
      this.start = start;
      this.stop = stop;
      this.step = step;
    }

    private static List<Object> items(long start, long stop, long step) {
      List<Object> items = new ArrayList<>();
      for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
        items.add(i);
      }
      return items;
    }

    /**
     * @param from, to, by borders inside this range, by its indices
     */
    Range slice(long from, long to, long by) {
      return new Range(start + from * step, start + to * step, by * step);
    }

    @Override
    public String toString() {
      return "range(" + start + ", " + stop + (step == 1 ? ")" : ", " + step + ")");
    }
  }

  /** A dict: keys that are equal in Python are one key. */
  static final class Dict {
    private record Entry(Object key, Object value) {}

    private final Map<Object, Entry> entries = new LinkedHashMap<>();

    @Nullable Object get(Object key) {
      Entry entry = entries.get(hashable(key));
      return entry == null ? null : entry.value();
    }

    /** For names and other keys known to be texts. */
    @Nullable Object get(String key) {
      Entry entry = entries.get(key);
      return entry == null ? null : entry.value();
    }

    Dict put(Object key, Object value) {
      Object hash = hashable(key);
      Entry before = entries.get(hash);
      entries.put(hash, new Entry(before == null ? key : before.key(), value));
      return this;
    }

    int size() {
      return entries.size();
    }

    PyList keys() {
      return view(PyList.Kind.KEYS, entries.values().stream().map(Entry::key).toList());
    }

    PyList values() {
      return view(PyList.Kind.VALUES, entries.values().stream().map(Entry::value).toList());
    }

    PyList items() {
      List<Object> items = new ArrayList<>(entries.size());
      entries.values().forEach(e -> items.add(PyList.tuple(e.key(), e.value())));
      return view(PyList.Kind.ITEMS, items);
    }

    private static PyList view(PyList.Kind kind, List<Object> items) {
      return new PyList(kind, items);
    }

    void putAll(Dict other) {
      other.entries.values().forEach(e -> put(e.key(), e.value()));
    }
  }

  /** A generator: true, without length, and empty once it was walked through. */
  static final class PyIterator implements Iterator<Object> {
    private final String name;
    private final Iterator<Object> items;

    PyIterator(String name, Iterator<Object> items) {
      this.name = name;
      this.items = items;
    }

    @Override
    public boolean hasNext() {
      return items.hasNext();
    }

    @Override
    public Object next() {
      return items.next();
    }

    String name() {
      return name;
    }
  }

  /** jinja2's Undefined: empty when printed, an error when used. */
  static final class Undefined {
    private final Kind kind;
    private final String message;

    Undefined(Kind kind, String message) {
      this.kind = kind;
      this.message = message;
    }

    static Undefined of(String message) {
      return new Undefined(Kind.UNDEFINED, message);
    }

    static Undefined name(String name) {
      return of("'" + name + "' is undefined");
    }

    TemplateError error() {
      return new TemplateError(kind, message);
    }
  }

  /** The template's view of a Java value: maps, lists, strings, numbers, booleans, null. */
  static Object of(@Nullable Object value) {
    if (value == null) {
      return NONE;
    }
    if (value instanceof String string) {
      return Text.of(string);
    }
    if (value instanceof Map<?, ?> map) {
      Dict dict = new Dict();
      map.forEach((k, v) -> dict.put(of(k), of(v)));
      return dict;
    }
    if (value instanceof Iterable<?> list) {
      List<Object> items = new ArrayList<>();
      list.forEach(item -> items.add(of(item)));
      return PyList.of(items);
    }
    if (value instanceof Byte || value instanceof Short || value instanceof Integer) {
      return ((Number) value).longValue();
    }
    if (value instanceof BigInteger big) {
      return Numbers.normal(big);
    }
    if (value instanceof Number && !(value instanceof Long)) {
      return ((Number) value).doubleValue();
    }
    if (value instanceof Boolean || value instanceof Long || value instanceof Text) {
      return value;
    }
    throw new IllegalArgumentException("a template cannot see a " + value.getClass().getName());
  }

  static String typeName(Object value) {
    if (value instanceof Boolean) {
      return "bool";
    }
    if (value instanceof Long || value instanceof BigInteger) {
      return "int";
    }
    if (value instanceof Double) {
      return "float";
    }
    if (value instanceof Text text) {
      return text.isMarkup() ? "Markup" : "str";
    }
    if (value instanceof PyList list) {
      return switch (list.kind) {
        case LIST -> "list";
        case TUPLE -> "tuple";
        case GROUP -> "_GroupTuple";
        case RANGE -> "range";
        case KEYS -> "dict_keys";
        case VALUES -> "dict_values";
        case ITEMS -> "dict_items";
      };
    }
    if (value instanceof Dict) {
      return "dict";
    }
    if (value instanceof PyIterator) {
      return "generator";
    }
    if (value == NONE) {
      return "NoneType";
    }
    return value.getClass().getSimpleName();
  }

  static boolean truth(Object value) {
    if (value instanceof Boolean bool) {
      return bool;
    }
    if (value instanceof Text text) {
      return !text.isEmpty();
    }
    if (value == NONE || value instanceof Undefined) {
      return false;
    }
    if (value instanceof PyList list) {
      return !list.items.isEmpty();
    }
    if (value instanceof Dict dict) {
      return dict.size() > 0;
    }
    if (value instanceof Long number) {
      return number != 0;
    }
    return !(value instanceof Double number) || number != 0;
  }

  static boolean equal(Object a, Object b) {
    if (a == b) {
      return !(a instanceof Double number) || !number.isNaN();
    }
    if (a instanceof Text) {
      return a.equals(b);
    }
    if (Numbers.isNumber(a)) {
      return Numbers.isNumber(b) && Numbers.compare(a, b).orElse(1) == 0;
    }
    if (a instanceof PyList x && b instanceof PyList y) {
      return (x.type() == y.type() && !(x.kind == PyList.Kind.VALUES)) && equal(x.items, y.items);
    }
    if (a instanceof Dict x && b instanceof Dict y) {
      return equal(x, y);
    }
    return a instanceof Undefined && b instanceof Undefined;
  }

  private static boolean equal(List<Object> a, List<Object> b) {
    if (a.size() != b.size()) {
      return false;
    }
    for (int i = 0; i < a.size(); i++) {
      if (a.get(i) != b.get(i) && !equal(a.get(i), b.get(i))) {
        return false;
      }
    }
    return true;
  }

  private static boolean equal(Dict a, Dict b) {
    if (a.size() != b.size()) {
      return false;
    }
    for (Object key : a.keys().items) {
      Object other = b.get(key);
      if (other == null || !equal(Objects.requireNonNull(a.get(key)), other)) {
        return false;
      }
    }
    return true;
  }

  /** A key for Java's maps: equal values of Python have equal ones. */
  static Object hashable(Object key) {
    if (key instanceof Text text) {
      return text.toString();
    }
    if (key instanceof Boolean bool) {
      return bool ? 1L : 0L;
    }
    if (key instanceof Double number && number == Math.rint(number) && !Double.isInfinite(number)) {
      return Numbers.normal(new java.math.BigDecimal(number).toBigInteger());
    }
    if (key instanceof PyList list) {
      if (list.type() == PyList.Kind.TUPLE) {
        return list.items.stream().map(Values::hashable).toList();
      }
      if (list.kind != PyList.Kind.RANGE) {
        throw TemplateError.type("unhashable type: '" + typeName(key) + "'");
      }
    }
    if (key instanceof Dict) {
      throw TemplateError.type("unhashable type: 'dict'");
    }
    if (key instanceof Undefined) {
      return Undefined.class;
    }
    return key;
  }

  /**
   * Order as {@code <} sees it.
   *
   * @param operator for the message
   */
  static boolean compare(String operator, Object a, Object b) {
    if (a instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (b instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (Numbers.isNumber(a) && Numbers.isNumber(b)) {
      var order = Numbers.compare(a, b);
      return order.isPresent() && holds(operator, order.getAsInt());
    }
    if (a instanceof Text x && b instanceof Text y) {
      return holds(operator, compareTexts(x.toString(), y.toString()));
    }
    if (a instanceof PyList x
        && b instanceof PyList y
        && x.type() == y.type()
        && (x.type() == PyList.Kind.LIST || x.type() == PyList.Kind.TUPLE)) {
      for (int i = 0; i < Math.min(x.items.size(), y.items.size()); i++) {
        if (!equal(x.items.get(i), y.items.get(i))) {
          return compare(operator, x.items.get(i), y.items.get(i));
        }
      }
      return holds(operator, Integer.compare(x.items.size(), y.items.size()));
    }
    throw TemplateError.type(
        "'%s' not supported between instances of '%s' and '%s'"
            .formatted(operator, typeName(a), typeName(b)));
  }

  /** For sorting. */
  static int order(Object a, Object b) {
    if (compare("<", a, b)) {
      return -1;
    }
    return compare("<", b, a) ? 1 : 0;
  }

  private static boolean holds(String operator, int order) {
    return switch (operator) {
      case "<" -> order < 0;
      case "<=" -> order <= 0;
      case ">" -> order > 0;
      default -> order >= 0;
    };
  }

  /** By code points; Java's own order is by UTF-16 units. */
  private static int compareTexts(String a, String b) {
    int i = 0;
    while (i < a.length() && i < b.length() && a.charAt(i) == b.charAt(i)) {
      i++;
    }
    if (i == a.length() || i == b.length()) {
      return Integer.compare(a.length(), b.length());
    }
    char x = a.charAt(i);
    char y = b.charAt(i);
    boolean bothSame = Character.isSurrogate(x) == Character.isSurrogate(y);
    return bothSame ? Character.compare(x, y) : Character.isSurrogate(x) ? 1 : -1;
  }

  static long length(Object value) {
    if (value instanceof Text text) {
      return text.length();
    }
    if (value instanceof PyList list) {
      return list.items.size();
    }
    if (value instanceof Dict dict) {
      return dict.size();
    }
    if (value instanceof Undefined) {
      return 0;
    }
    if (value instanceof LoopContext loop) {
      return loop.length();
    }
    throw TemplateError.type("object of type '" + typeName(value) + "' has no len()");
  }

  static boolean isIterable(Object value) {
    return value instanceof Text
        || value instanceof PyList
        || value instanceof Dict
        || value instanceof PyIterator
        || value instanceof Undefined
        || value instanceof LoopContext;
  }

  static Iterator<Object> iterate(Object value) {
    if (value instanceof PyList list) {
      return list.items.iterator();
    }
    if (value instanceof PyIterator iterator) {
      return iterator;
    }
    if (value instanceof Dict dict) {
      return dict.keys().items.iterator();
    }
    if (value instanceof Text text) {
      return characters(text);
    }
    if (value instanceof Undefined) {
      return List.of().iterator();
    }
    throw TemplateError.type("'" + typeName(value) + "' object is not iterable");
  }

  static List<Object> list(Object value) {
    if (value instanceof PyList list) {
      return list.items;
    }
    List<Object> items = new ArrayList<>();
    iterate(value).forEachRemaining(items::add);
    return items;
  }

  private static Iterator<Object> characters(Text text) {
    return new Iterator<>() {
      private int at = 0;

      @Override
      public boolean hasNext() {
        return at < text.toString().length();
      }

      @Override
      public Object next() {
        if (!hasNext()) {
          throw new NoSuchElementException();
        }
        int from = at;
        at = text.toString().offsetByCodePoints(at, 1);
        return text.cut(from, at).asPlain();
      }
    };
  }

  static boolean contains(Object container, Object item) {
    if (container instanceof Text text) {
      if (item instanceof Text part) {
        return text.toString().contains(part.toString());
      }
      throw TemplateError.type(
          "'in <string>' requires string as left operand, not " + typeName(item));
    }
    if (container instanceof Dict dict) {
      return dict.get(item) != null;
    }
    if (!isIterable(container)) {
      throw TemplateError.type("argument of type '" + typeName(container) + "' is not iterable");
    }
    for (Iterator<Object> items = iterate(container); items.hasNext(); ) {
      Object candidate = items.next();
      if (candidate == item || equal(candidate, item)) {
        return true;
      }
    }
    return false;
  }
}
