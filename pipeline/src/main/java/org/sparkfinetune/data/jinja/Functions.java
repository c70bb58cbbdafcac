package org.sparkfinetune.data.jinja;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.jinja.TemplateError.Kind;
import org.sparkfinetune.data.jinja.Values.Attributed;
import org.sparkfinetune.data.jinja.Values.Callable;
import org.sparkfinetune.data.jinja.Values.Dict;
import org.sparkfinetune.data.jinja.Values.Range;

/** The names that every template has: jinja2's, and those that transformers adds. */
final class Functions {
  /** jinja2's sandbox allows no longer range. */
  private static final int MAX_RANGE = 100_000;

  static final Map<String, Object> GLOBALS =
      Map.of(
          "range", (Callable) Functions::range,
          "dict", new DictType(),
          "namespace", (Callable) (scope, arguments) -> new Namespace(dict(arguments)),
          "cycler", (Callable) (scope, arguments) -> new Cycler(arguments.positional()),
          "joiner", (Callable) (scope, arguments) -> joiner(arguments),
          "raise_exception", (Callable) Functions::raise,
          "strftime_now", (Callable) Functions::strftime,
          "lipsum", (Callable) (scope, arguments) -> unsupported("the function 'lipsum'"));

  private Functions() {}

  static Object unsupported(String what) {
    throw new TemplateError(Kind.UNSUPPORTED, what + " is not supported");
  }

  private static Object raise(Scope scope, Arguments arguments) {
    Object message = arguments.bind("raise_exception", 1, "message").get(0);
    throw new TemplateError(Kind.RAISED, Printing.str(message).toString());
  }

  private static Object strftime(Scope scope, Arguments arguments) {
    Object format = arguments.bind("strftime_now", 1, "format").get(0);
    if (!(format instanceof Text text)) {
      throw TemplateError.type("strftime() argument 1 must be str, not " + Values.typeName(format));
    }
    return Text.of(Strftime.format(text.toString(), scope.run.now));
  }

  private static Object range(Scope scope, Arguments arguments) {
    Arguments.Bound bound = arguments.bind("range", 1, "start", "stop", "step");
    long start = bound.has(1) ? bound.integer(0, 0) : 0;
    long stop = bound.has(1) ? bound.integer(1, 0) : bound.integer(0, 0);
    long step = bound.integer(2, 1);
    if (step == 0) {
      throw TemplateError.value("range() arg 3 must not be zero");
    }
    long size =
        Math.max(
            0, step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step);
    if (size > MAX_RANGE) {
      throw new TemplateError(
          Kind.OVERFLOW,
          "Range too big. The sandbox blocks ranges larger than MAX_RANGE (" + MAX_RANGE + ").");
    }
    return new Range(start, stop, step);
  }

  /** {@code dict(mapping or pairs, name=value…)}. */
  static Dict dict(Arguments arguments) {
    if (arguments.positional().size() > 1) {
      throw TemplateError.type(
          "dict expected at most 1 argument, got " + arguments.positional().size());
    }
    Dict dict = new Dict();
    for (Object start : arguments.positional()) {
      if (start instanceof Dict other) {
        dict.putAll(other);
      } else {
        Operators.iterate(start).forEachRemaining(pair -> putPair(dict, Operators.list(pair)));
      }
    }
    arguments.named().forEach((name, value) -> dict.put(Text.of(name), value));
    return dict;
  }

  private static void putPair(Dict dict, List<Object> pair) {
    if (pair.size() != 2) {
      throw TemplateError.value(
          "dictionary update sequence element has length " + pair.size() + "; 2 is required");
    }
    dict.put(pair.get(0), pair.get(1));
  }

  private static Callable joiner(Arguments arguments) {
    Text separator = arguments.bind("joiner", 0, "sep").text(0, ", ");
    boolean[] used = {false};
    return (scope, none) -> {
      Text text = used[0] ? separator : Text.EMPTY;
      used[0] = true;
      return text;
    };
  }

  private static final class DictType implements Attributed, Callable {
    @Override
    public Object call(Scope scope, Arguments arguments) {
      return dict(arguments);
    }

    @Override
    public @Nullable Object attribute(String name) {
      return name.equals("fromkeys") ? (Callable) (scope, arguments) -> fromKeys(arguments) : null;
    }

    private static Dict fromKeys(Arguments arguments) {
      Arguments.Bound bound = arguments.bind("fromkeys", 1, "iterable", "value");
      Dict dict = new Dict();
      Operators.list(bound.get(0)).forEach(key -> dict.put(key, bound.or(1, Values.NONE)));
      return dict;
    }
  }

  /** The one thing that a template can change. */
  static final class Namespace implements Attributed {
    private final Map<String, Object> attributes = new LinkedHashMap<>();

    Namespace(Dict start) {
      for (Object key : start.keys().items) {
        set(Printing.str(key).toString(), Objects.requireNonNull(start.get(key)));
      }
    }

    void set(String name, Object value) {
      if (name.startsWith("_")) {
        throw new TemplateError(
            Kind.SECURITY,
            "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '%s'."
                .formatted(name));
      }
      attributes.put(name, value);
    }

    @Override
    public @Nullable Object attribute(String name) {
      return attributes.get(name);
    }

    @Override
    public String toString() {
      Dict dict = new Dict();
      attributes.forEach((name, value) -> dict.put(Text.of(name), value));
      return "<Namespace " + Printing.repr((Object) dict) + ">";
    }
  }

  private static final class Cycler implements Attributed {
    private final List<Object> items;
    private int position = 0;

    Cycler(List<Object> items) {
      if (items.isEmpty()) {
        throw new TemplateError(Kind.RUNTIME, "at least one item has to be provided");
      }
      this.items = items;
    }

    @Override
    public @Nullable Object attribute(String name) {
      return switch (name) {
        case "current" -> items.get(position);
        case "next" -> (Callable) (scope, arguments) -> next();
        case "reset" ->
            (Callable)
                (scope, arguments) -> {
                  position = 0;
                  return Values.NONE;
                };
        default -> null;
      };
    }

    private Object next() {
      Object item = items.get(position);
      position = (position + 1) % items.size();
      return item;
    }
  }
}
