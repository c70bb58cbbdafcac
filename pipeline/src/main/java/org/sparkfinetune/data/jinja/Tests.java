package org.sparkfinetune.data.jinja;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Predicate;
import org.sparkfinetune.data.jinja.Numbers.Operator;
import org.sparkfinetune.data.jinja.TemplateError.Kind;
import org.sparkfinetune.data.jinja.Values.Callable;
import org.sparkfinetune.data.jinja.Values.Dict;
import org.sparkfinetune.data.jinja.Values.PyList;
import org.sparkfinetune.data.jinja.Values.Undefined;

/** What stands behind {@code is}. */
final class Tests {
  interface Test {
    boolean holds(Object value, Arguments arguments);
  }

  private interface Pair {
    boolean holds(Object value, Object other);
  }

  private static final Map<String, Test> TESTS = new HashMap<>();

  static {
    put("defined", v -> !(v instanceof Undefined));
    put("undefined", v -> v instanceof Undefined);
    put("none", v -> v == Values.NONE);
    put("boolean", v -> v instanceof Boolean);
    put("true", v -> Boolean.TRUE.equals(v));
    put("false", v -> Boolean.FALSE.equals(v));
    put("integer", v -> Numbers.isInteger(v) && !(v instanceof Boolean));
    put("float", v -> v instanceof Double);
    put("number", Numbers::isNumber);
    put("string", v -> v instanceof Text);
    put("mapping", v -> v instanceof Dict);
    put("iterable", Operators::isIterable);
    put("callable", v -> v instanceof Callable || v instanceof Undefined);
    put("sequence", Tests::isSequence);
    put("escaped", v -> v instanceof Text text && text.isMarkup());
    put("lower", v -> StringMethods.isLower(Printing.str(v).toString()));
    put("upper", v -> StringMethods.isUpper(Printing.str(v).toString()));
    put("odd", v -> Operators.equal(Numbers.apply(Operator.MODULO, v, 2L), 1L));
    put("even", v -> Operators.equal(Numbers.apply(Operator.MODULO, v, 2L), 0L));
    put("filter", v -> v instanceof Text name && Filters.knows(name.toString()));
    put("test", v -> v instanceof Text name && knows(name.toString()));
    put("divisibleby", (v, o) -> Operators.equal(Numbers.apply(Operator.MODULO, v, o), 0L));
    put("sameas", Tests::isSame);
    put("in", (v, o) -> Operators.contains(o, v));
    for (String name : new String[] {"==", "eq", "equalto"}) {
      put(name, Operators::equal);
    }
    for (String name : new String[] {"!=", "ne"}) {
      put(name, (v, o) -> !Operators.equal(v, o));
    }
    putOrder("<", "lt", "lessthan");
    putOrder("<=", "le");
    putOrder(">", "gt", "greaterthan");
    putOrder(">=", "ge");
  }

  private Tests() {}

  private static void put(String name, Predicate<Object> test) {
    TESTS.put(
        name,
        (value, arguments) -> {
          arguments.bind(name, 0);
          return test.test(value);
        });
  }

  private static void put(String name, Pair test) {
    TESTS.put(
        name, (value, arguments) -> test.holds(value, arguments.bind(name, 1, "other").get(0)));
  }

  private static void putOrder(String operator, String... names) {
    put(operator, (v, o) -> Operators.compare(operator, v, o));
    for (String name : names) {
      put(name, (v, o) -> Operators.compare(operator, v, o));
    }
  }

  private static boolean isSequence(Object value) {
    return value instanceof Text
        || value instanceof Dict
        || value instanceof Undefined
        || (value instanceof PyList list && !list.isView());
  }

  /** Python's {@code is}; small values that are equal and of one type are one object. */
  private static boolean isSame(Object a, Object b) {
    boolean scalar = a instanceof Boolean || a instanceof Long || a instanceof Text;
    return a == b || (scalar && a.getClass() == b.getClass() && a.equals(b));
  }

  static boolean knows(String name) {
    return TESTS.containsKey(name);
  }

  static Test named(String name) {
    Test test = TESTS.get(name);
    if (test == null) {
      throw new TemplateError(Kind.RUNTIME, "No test named '" + name + "' found.");
    }
    return test;
  }
}
