package org.sparkfinetune.data.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import org.sparkfinetune.data.jinja.Values.Dict;
import org.sparkfinetune.data.jinja.Values.PyIterator;
import org.sparkfinetune.data.jinja.Values.PyList;
import org.sparkfinetune.data.jinja.Values.Undefined;

/** What can be asked of every value of Python: truth, equality, order, length, iteration. */
final class Operators {
  private Operators() {}

  static boolean truth(Object value) {
    if (value instanceof Boolean bool) {
      return bool;
    }
    if (value instanceof Text text) {
      return !text.isEmpty();
    }
    if (value == Values.NONE || value instanceof Undefined) {
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
            .formatted(operator, Values.typeName(a), Values.typeName(b)));
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
    throw TemplateError.type("object of type '" + Values.typeName(value) + "' has no len()");
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
    throw TemplateError.type("'" + Values.typeName(value) + "' object is not iterable");
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
          "'in <string>' requires string as left operand, not " + Values.typeName(item));
    }
    if (container instanceof Dict dict) {
      return dict.get(item) != null;
    }
    if (!isIterable(container)) {
      throw TemplateError.type(
          "argument of type '" + Values.typeName(container) + "' is not iterable");
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
