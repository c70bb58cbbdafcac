package org.sparkfinetune.data.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.jinja.TemplateError.Kind;

/**
 * Python's types of values; {@link Operators} says what every one of them can do. A value is {@link
 * #NONE}, a {@code Boolean}, {@code Long}, {@code BigInteger} (beyond a long), {@code Double},
 * {@link Text}, {@link PyList}, {@link Dict}, {@link PyIterator}, {@link Undefined}, or an {@link
 * Attributed} object such as a macro.
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
}
