package org.sparkfinetune.data.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.jinja.Arguments.Bound;
import org.sparkfinetune.data.jinja.Filters.Filter;
import org.sparkfinetune.data.jinja.Numbers.Operator;
import org.sparkfinetune.data.jinja.TemplateError.Kind;
import org.sparkfinetune.data.jinja.Values.Dict;
import org.sparkfinetune.data.jinja.Values.PyIterator;
import org.sparkfinetune.data.jinja.Values.PyList;
import org.sparkfinetune.data.jinja.Values.Undefined;

/** Filters of lists, dicts and generators. */
final class SequenceFilters {
  static final Map<String, Filter> FILTERS = new HashMap<>();

  static {
    FILTERS.put("list", (s, v, a) -> PyList.of(List.copyOf(Operators.list(v))));
    FILTERS.put("first", (s, v, a) -> first(Operators.iterate(v)));
    FILTERS.put("last", (s, v, a) -> last(v));
    FILTERS.put("reverse", (s, v, a) -> reverse(v));
    FILTERS.put("items", (s, v, a) -> items(v));
    FILTERS.put("join", (s, v, a) -> join(v, a.bind("join", 0, "d", "attribute")));
    FILTERS.put("map", SequenceFilters::map);
    FILTERS.put("select", (s, v, a) -> select(s, v, a, false, true));
    FILTERS.put("reject", (s, v, a) -> select(s, v, a, false, false));
    FILTERS.put("selectattr", (s, v, a) -> select(s, v, a, true, true));
    FILTERS.put("rejectattr", (s, v, a) -> select(s, v, a, true, false));
    FILTERS.put("sort", (s, v, a) -> sort(v, a));
    FILTERS.put("unique", (s, v, a) -> unique(v, a));
    FILTERS.put("min", (s, v, a) -> extreme(v, a, "min", 1));
    FILTERS.put("max", (s, v, a) -> extreme(v, a, "max", -1));
    FILTERS.put("sum", (s, v, a) -> sum(v, a.bind("sum", 0, "attribute", "start")));
    FILTERS.put("groupby", (s, v, a) -> groupBy(v, a));
    FILTERS.put("dictsort", (s, v, a) -> dictSort(v, a));
    FILTERS.put("batch", (s, v, a) -> batch(v, a.bind("batch", 1, "linecount", "fill_with")));
    FILTERS.put("slice", (s, v, a) -> slices(v, a.bind("slice", 1, "slices", "fill_with")));
  }

  private SequenceFilters() {}

  private static Object first(Iterator<Object> items) {
    return items.hasNext() ? items.next() : Undefined.of("No first item, sequence was empty.");
  }

  private static Object last(Object value) {
    Object reversed = value instanceof Text ? value : reversed(value);
    if (reversed instanceof Text text) {
      return text.isEmpty()
          ? Undefined.of("No last item, sequence was empty.")
          : text.slice(text.length() - 1, text.length());
    }
    Iterator<Object> items = Operators.iterate(reversed);
    return items.hasNext() ? items.next() : Undefined.of("No last item, sequence was empty.");
  }

  private static Object reversed(Object value) {
    if (value instanceof PyIterator || !Operators.isIterable(value)) {
      throw TemplateError.type("'" + Values.typeName(value) + "' object is not reversible");
    }
    return new PyIterator("reversed", backwards(value).iterator());
  }

  private static List<Object> backwards(Object value) {
    List<Object> items = new ArrayList<>(Operators.list(value));
    Collections.reverse(items);
    return items;
  }

  private static Object reverse(Object value) {
    if (value instanceof Text text) {
      return Access.slice(text, Values.NONE, Values.NONE, -1L);
    }
    if (!Operators.isIterable(value)) {
      throw new TemplateError(Kind.FILTER_ARGUMENT, "argument must be iterable");
    }
    return value instanceof PyIterator ? PyList.of(backwards(value)) : reversed(value);
  }

  private static Object items(Object value) {
    if (value instanceof Undefined) {
      return lazy("do_items", List.<Object>of().iterator(), Function.identity());
    }
    Iterator<Object> pairs =
        value instanceof Dict dict ? dict.items().items.iterator() : List.of(value).iterator();
    return lazy(
        "do_items",
        pairs,
        pair -> {
          if (!(value instanceof Dict)) {
            throw TemplateError.type("Can only get item pairs from a mapping.");
          }
          return pair;
        });
  }

  /** A generator whose items are made when they are asked for. */
  private static PyIterator lazy(
      String name, Iterator<Object> items, Function<Object, Object> mapping) {
    return new PyIterator(
        name,
        new Iterator<>() {
          @Override
          public boolean hasNext() {
            return items.hasNext();
          }

          @Override
          public Object next() {
            return mapping.apply(items.next());
          }
        });
  }

  private static PyIterator filtered(Iterator<Object> items, Predicate<Object> test) {
    return new PyIterator(
        "select_or_reject",
        new Iterator<>() {
          private @Nullable Object next;

          @Override
          public boolean hasNext() {
            while (next == null && items.hasNext()) {
              Object item = items.next();
              next = test.test(item) ? item : null;
            }
            return next != null;
          }

          @Override
          public Object next() {
            Object item = hasNext() ? next : null;
            if (item == null) {
              throw new NoSuchElementException();
            }
            next = null;
            return item;
          }
        });
  }

  /** {@code a.b.0} of an item, as {@code attribute=} names it. */
  private static Object attribute(Object item, Object path) {
    if (!(path instanceof Text text)) {
      return path == Values.NONE ? item : Access.item(item, path);
    }
    Object value = item;
    for (String part : text.toString().split("\\.", -1)) {
      boolean number = !part.isEmpty() && part.chars().allMatch(Character::isDigit);
      value = Access.item(value, number ? NumberText.integer(part, 10) : Text.of(part));
    }
    return value;
  }

  private static Function<Object, Object> getter(Object path, Object otherwise) {
    return item -> {
      Object value = attribute(item, path);
      return value instanceof Undefined && otherwise != Values.NONE ? otherwise : value;
    };
  }

  /** Texts without their case where case does not matter. */
  private static Object key(Object value, boolean caseSensitive) {
    return value instanceof Text text && !caseSensitive
        ? Text.of(StringMethods.lower(text.toString()))
        : value;
  }

  private static Object join(Object value, Bound bound) {
    Text separator = bound.text(0, "");
    Object path = bound.or(1, Values.NONE);
    TextBuilder joined = new TextBuilder();
    boolean first = true;
    for (Iterator<Object> items = Operators.iterate(value); items.hasNext(); ) {
      joined.append(first ? Text.EMPTY : separator);
      joined.append(Printing.str(attribute(items.next(), path)));
      first = false;
    }
    return joined.toText();
  }

  private static Object map(Scope scope, Object value, Arguments arguments) {
    Iterator<Object> items =
        Operators.truth(value) ? Operators.iterate(value) : List.of().iterator();
    return lazy("sync_do_map", items, mapping(scope, arguments));
  }

  private static Function<Object, Object> mapping(Scope scope, Arguments arguments) {
    Map<String, Object> named = arguments.named();
    if (arguments.positional().isEmpty() && named.containsKey("attribute")) {
      Bound bound = arguments.bind("map", 0, "attribute", "default");
      return getter(bound.get(0), bound.or(1, Values.NONE));
    }
    if (arguments.positional().isEmpty()) {
      throw new TemplateError(Kind.FILTER_ARGUMENT, "map requires a filter argument");
    }
    String name = Printing.str(arguments.positional().get(0)).toString();
    Filter filter = knownFilter(name);
    Arguments rest = new Arguments(rest(arguments, 1), named);
    return item -> filter.apply(scope, item, rest);
  }

  private static Filter knownFilter(String name) {
    if (!Filters.knows(name)) {
      throw new TemplateError(Kind.RUNTIME, "No filter named '" + name + "'.");
    }
    return Filters.named(name);
  }

  private static List<Object> rest(Arguments arguments, int from) {
    List<Object> all = arguments.positional();
    return all.subList(Math.min(from, all.size()), all.size());
  }

  private static Object select(
      Scope scope, Object value, Arguments arguments, boolean byAttribute, boolean wanted) {
    Iterator<Object> items =
        Operators.truth(value) ? Operators.iterate(value) : List.of().iterator();
    int used = byAttribute ? 1 : 0;
    if (arguments.positional().size() < used) {
      throw new TemplateError(Kind.FILTER_ARGUMENT, "Missing parameter for attribute name");
    }
    Object path = byAttribute ? arguments.positional().get(0) : Values.NONE;
    Predicate<Object> test = test(arguments, used);
    return filtered(
        items,
        item -> {
          scope.run.step();
          return test.test(attribute(item, path)) == wanted;
        });
  }

  private static Predicate<Object> test(Arguments arguments, int used) {
    if (arguments.positional().size() <= used) {
      return Operators::truth;
    }
    String name = Printing.str(arguments.positional().get(used)).toString();
    if (!Tests.knows(name)) {
      throw new TemplateError(Kind.RUNTIME, "No test named '" + name + "'.");
    }
    Tests.Test test = Tests.named(name);
    Arguments rest = new Arguments(rest(arguments, used + 1), arguments.named());
    return value -> test.holds(value, rest);
  }

  private static Object sort(Object value, Arguments arguments) {
    Bound bound = arguments.bind("sort", 0, "reverse", "case_sensitive", "attribute");
    boolean caseSensitive = bound.truth(1, false);
    Object path = bound.or(2, Values.NONE);
    List<Object> paths = new ArrayList<>();
    if (path instanceof Text text) {
      StringMethods.parts(text, ",", Integer.MAX_VALUE).forEach(paths::add);
    } else {
      paths.add(path);
    }
    // Lists as keys, as in jinja2: items that lack the attribute are equal and not an error.
    Function<Object, Object> keys =
        item ->
            PyList.of(paths.stream().map(one -> key(attribute(item, one), caseSensitive)).toList());
    Comparator<Object> order = Comparator.comparing(keys, Operators::order);
    return sorted(Operators.list(value), order, bound.truth(0, false));
  }

  private static PyList sorted(List<Object> items, Comparator<Object> order, boolean reverse) {
    List<Object> sorted = new ArrayList<>(items);
    sorted.sort(reverse ? order.reversed() : order);
    return PyList.of(sorted);
  }

  private static Object unique(Object value, Arguments arguments) {
    Bound bound = arguments.bind("unique", 0, "case_sensitive", "attribute");
    Set<Object> seen = new HashSet<>();
    return filtered(
        Operators.iterate(value),
        item ->
            seen.add(
                Values.hashable(
                    key(attribute(item, bound.or(1, Values.NONE)), bound.truth(0, false)))));
  }

  private static Object extreme(Object value, Arguments arguments, String name, int sign) {
    Bound bound = arguments.bind(name, 0, "case_sensitive", "attribute");
    Iterator<Object> items = Operators.iterate(value);
    if (!items.hasNext()) {
      return Undefined.of("No aggregated item, sequence was empty.");
    }
    Function<Object, Object> key =
        item -> key(attribute(item, bound.or(1, Values.NONE)), bound.truth(0, false));
    Object best = items.next();
    while (items.hasNext()) {
      Object item = items.next();
      boolean better = Operators.compare(sign > 0 ? "<" : ">", key.apply(item), key.apply(best));
      best = better ? item : best;
    }
    return best;
  }

  private static Object sum(Object value, Bound bound) {
    Object sum = bound.or(1, 0L);
    if (sum instanceof Text) {
      throw TemplateError.type("sum() can't sum strings [use ''.join(seq) instead]");
    }
    for (Iterator<Object> items = Operators.iterate(value); items.hasNext(); ) {
      sum = Numbers.apply(Operator.ADD, sum, attribute(items.next(), bound.or(0, Values.NONE)));
    }
    return sum;
  }

  private static Object groupBy(Object value, Arguments arguments) {
    Bound bound = arguments.bind("groupby", 1, "attribute", "default", "case_sensitive");
    Function<Object, Object> getter = getter(bound.get(0), bound.or(1, Values.NONE));
    Function<Object, Object> key = item -> key(getter.apply(item), bound.truth(2, false));
    List<Object> sorted =
        sorted(Operators.list(value), Comparator.comparing(key, Operators::order), false).items;
    List<Object> groups = new ArrayList<>();
    int from = 0;
    for (int i = 1; i <= sorted.size(); i++) {
      if (i == sorted.size()
          || !Operators.equal(key.apply(sorted.get(i)), key.apply(sorted.get(from)))) {
        List<Object> members = List.copyOf(sorted.subList(from, i));
        groups.add(
            new PyList(
                PyList.Kind.GROUP, List.of(getter.apply(members.get(0)), PyList.of(members))));
        from = i;
      }
    }
    return PyList.of(groups);
  }

  private static Object dictSort(Object value, Arguments arguments) {
    Bound bound = arguments.bind("dictsort", 0, "case_sensitive", "by", "reverse");
    String by = bound.text(1, "key").toString();
    if (!Set.of("key", "value").contains(by)) {
      throw new TemplateError(
          Kind.FILTER_ARGUMENT, "You can only sort by either \"key\" or \"value\"");
    }
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (!(value instanceof Dict dict)) {
      throw new TemplateError(
          Kind.ATTRIBUTE, "'" + Values.typeName(value) + "' object has no attribute 'items'");
    }
    int index = by.equals("key") ? 0 : 1;
    Comparator<Object> order =
        Comparator.comparing(
            item -> key(((PyList) item).items.get(index), bound.truth(0, false)), Operators::order);
    return sorted(dict.items().items, order, bound.truth(2, false));
  }

  private static Object batch(Object value, Bound bound) {
    int size = Numbers.clamped(bound.get(0));
    Object fill = bound.or(1, Values.NONE);
    List<Object> batches = new ArrayList<>();
    List<Object> batch = new ArrayList<>();
    for (Iterator<Object> items = Operators.iterate(value); items.hasNext(); ) {
      if (batch.size() == size) {
        batches.add(PyList.of(batch));
        batch = new ArrayList<>();
      }
      batch.add(items.next());
    }
    if (!batch.isEmpty()) {
      while (fill != Values.NONE && batch.size() < size) {
        batch.add(fill);
      }
      batches.add(PyList.of(batch));
    }
    return new PyIterator("do_batch", batches.iterator());
  }

  private static Object slices(Object value, Bound bound) {
    List<Object> all = Operators.list(value);
    int count = Numbers.clamped(bound.get(0));
    Object fill = bound.or(1, Values.NONE);
    if (count == 0) {
      throw new TemplateError(Kind.ZERO_DIVISION, "integer division or modulo by zero");
    }
    List<Object> slices = new ArrayList<>();
    int from = 0;
    for (int i = 0; i < count; i++) {
      int to = from + all.size() / count + (i < all.size() % count ? 1 : 0);
      List<Object> slice = new ArrayList<>(all.subList(from, to));
      if (fill != Values.NONE && i >= all.size() % count) {
        slice.add(fill);
      }
      slices.add(PyList.of(slice));
      from = to;
    }
    return new PyIterator("do_slice", slices.iterator());
  }
}
