package org.sparkfinetune.data.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.jinja.TemplateError.Kind;
import org.sparkfinetune.data.jinja.Values.Attributed;
import org.sparkfinetune.data.jinja.Values.Callable;
import org.sparkfinetune.data.jinja.Values.Dict;
import org.sparkfinetune.data.jinja.Values.PyList;
import org.sparkfinetune.data.jinja.Values.Range;
import org.sparkfinetune.data.jinja.Values.Undefined;

/**
 * {@code a.b}, {@code a['b']}, slices and calls, as jinja2's immutable sandbox does them: a method
 * before an item for {@code a.b}, an item before a method for {@code a['b']}, and neither private
 * attributes nor methods that change a list or dict.
 */
final class Access {
  private static final Set<String> CHANGES_LIST =
      Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");
  private static final Set<String> CHANGES_DICT =
      Set.of("clear", "pop", "popitem", "setdefault", "update");

  private Access() {}

  static Object attribute(Object object, String name) {
    Object method = own(object, name);
    if (method != null) {
      return method;
    }
    if (object instanceof Dict dict) {
      Object item = dict.get(name);
      if (item != null) {
        return item;
      }
    }
    return missing(object, Text.of(name));
  }

  static Object item(Object object, Object key) {
    if (object instanceof Undefined undefined) {
      throw undefined.error();
    }
    Object item = itemOrNull(object, key);
    if (item != null) {
      return item;
    }
    if (key instanceof Text name) {
      Object method = own(object, name.toString());
      if (method != null) {
        return method;
      }
    }
    return missing(object, key);
  }

  private static @Nullable Object itemOrNull(Object object, Object key) {
    if (object instanceof Dict dict) {
      return isHashable(key) ? dict.get(key) : null;
    }
    if (!Numbers.isInteger(key)) {
      return null;
    }
    int index = Numbers.clamped(key);
    if (object instanceof PyList list && !list.isView()) {
      int at = index < 0 ? index + list.items.size() : index;
      return at >= 0 && at < list.items.size() ? list.items.get(at) : null;
    }
    if (object instanceof Text text) {
      int at = index < 0 ? index + text.length() : index;
      return at >= 0 && at < text.length() ? text.slice(at, at + 1) : null;
    }
    return null;
  }

  private static boolean isHashable(Object key) {
    if (key instanceof PyList list) {
      return list.type() == PyList.Kind.TUPLE && list.items.stream().allMatch(Access::isHashable);
    }
    return !(key instanceof Dict);
  }

  private static Undefined missing(Object object, Object key) {
    if (key instanceof Text name) {
      String owner = object == Values.NONE ? "None" : "'" + Values.typeName(object) + " object'";
      return Undefined.of(owner + " has no attribute '" + name + "'");
    }
    return Undefined.of(Values.typeName(object) + " object has no element " + Printing.repr(key));
  }

  /** An attribute in Python's sense, or null. */
  static @Nullable Object own(Object object, String name) {
    if (name.startsWith("__") && name.endsWith("__")) {
      return unsafe(object, name);
    }
    if (object instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (object instanceof Text text) {
      return StringMethods.method(text, name);
    }
    if (object instanceof Dict dict) {
      return CHANGES_DICT.contains(name) ? unsafe(object, name) : method(dict, name);
    }
    if (object instanceof PyList list) {
      boolean changes = list.kind == PyList.Kind.LIST && CHANGES_LIST.contains(name);
      return changes ? unsafe(object, name) : method(list, name);
    }
    if (object instanceof Double number && name.equals("is_integer")) {
      return (Callable) (scope, arguments) -> number == Math.rint(number);
    }
    return object instanceof Attributed attributed ? attributed.attribute(name) : null;
  }

  private static Undefined unsafe(Object object, String name) {
    return new Undefined(
        Kind.SECURITY,
        "access to attribute '%s' of '%s' object is unsafe."
            .formatted(name, Values.typeName(object)));
  }

  private static @Nullable Callable method(Dict dict, String name) {
    return switch (name) {
      case "get" ->
          (scope, arguments) -> {
            Arguments.Bound bound = arguments.bind("get", 1, "key", "default");
            Object value = dict.get(bound.get(0));
            return value != null ? value : bound.or(1, Values.NONE);
          };
      case "items" -> (scope, arguments) -> dict.items();
      case "keys" -> (scope, arguments) -> dict.keys();
      case "values" -> (scope, arguments) -> dict.values();
      case "copy" ->
          (scope, arguments) -> {
            Dict copy = new Dict();
            copy.putAll(dict);
            return copy;
          };
      default -> null;
    };
  }

  private static @Nullable Object method(PyList list, String name) {
    if (list.kind == PyList.Kind.GROUP && name.equals("grouper")) {
      return list.items.get(0);
    }
    if (list.kind == PyList.Kind.GROUP && name.equals("list")) {
      return list.items.get(1);
    }
    if (list.isView()) {
      return null;
    }
    return switch (name) {
      case "index" -> (Callable) (scope, arguments) -> index(list, arguments);
      case "count" ->
          (Callable)
              (scope, arguments) -> {
                Object wanted = arguments.bind("count", 1, "value").get(0);
                return list.items.stream().filter(item -> Operators.equal(item, wanted)).count();
              };
      case "copy" -> list.kind == PyList.Kind.LIST ? (Callable) (scope, arguments) -> list : null;
      default -> null;
    };
  }

  private static Object index(PyList list, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("index", 1, "value", "start", "stop");
    int size = list.items.size();
    int from = bound(bound.or(1, 0L), 1, size);
    int to = bound(bound.or(2, (long) size), 1, size);
    for (int i = from; i < to; i++) {
      if (Operators.equal(list.items.get(i), bound.get(0))) {
        return (long) i;
      }
    }
    throw TemplateError.value(Printing.repr(bound.get(0)) + " is not in list");
  }

  /**
   * @param from, to, step {@link Values#NONE} where the slice names none
   */
  static Object slice(Object object, Object from, Object to, Object stepOrNone) {
    if (object instanceof Undefined undefined) {
      throw undefined.error();
    }
    boolean list = object instanceof PyList pyList && !pyList.isView();
    if (!list && !(object instanceof Text)) {
      String type = Values.typeName(object);
      throw TemplateError.type(
          object instanceof Dict
              ? "unhashable type: 'slice'"
              : "'" + type + "' object is not subscriptable");
    }
    int step = stepOrNone == Values.NONE ? 1 : clamp(stepOrNone);
    if (step == 0) {
      throw TemplateError.value("slice step cannot be zero");
    }
    int size = (int) Operators.length(object);
    int start = from == Values.NONE ? (step > 0 ? 0 : size - 1) : bound(from, step, size);
    int end = to == Values.NONE ? (step > 0 ? size : -1) : bound(to, step, size);
    if (object instanceof Text text && step == 1) {
      return text.slice(start, Math.max(start, end));
    }
    if (object instanceof Range range) {
      return range.slice(start, end, step);
    }
    List<Object> taken = new ArrayList<>();
    List<Object> items = Operators.list(object);
    for (long i = start; step > 0 ? i < end : i > end; i += step) {
      taken.add(items.get((int) i));
    }
    if (object instanceof Text text) {
      TextBuilder joined = new TextBuilder();
      taken.forEach(item -> joined.append((Text) item));
      return text.isMarkup() ? joined.toText().asMarkup() : joined.toText();
    }
    return new PyList(((PyList) object).type(), taken);
  }

  private static int clamp(Object index) {
    if (!Numbers.isInteger(index)) {
      throw TemplateError.type(
          "slice indices must be integers or None or have an __index__ method");
    }
    return Numbers.clamped(index);
  }

  /** A border of a slice, counted from the beginning and inside the sequence. */
  static int bound(Object index, int step, int size) {
    int value = clamp(index);
    int low = step > 0 ? 0 : -1;
    int high = step > 0 ? size : size - 1;
    return value < 0 ? Math.max(low, value + size) : Math.min(high, value);
  }

  static Object call(Scope scope, Object function, Arguments arguments) {
    scope.run.step();
    if (function instanceof Callable callable) {
      return callable.call(scope, arguments);
    }
    if (function instanceof Undefined undefined) {
      throw undefined.error();
    }
    throw TemplateError.type("'" + Values.typeName(function) + "' object is not callable");
  }
}
