package org.sparkfinetune.data.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.jinja.Values.Attributed;
import org.sparkfinetune.data.jinja.Values.Callable;
import org.sparkfinetune.data.jinja.Values.PyIterator;
import org.sparkfinetune.data.jinja.Values.PyList;
import org.sparkfinetune.data.jinja.Values.Undefined;

/** {@code loop}: looks ahead only when asked, since a generator may depend on the loop's body. */
final class LoopContext implements Attributed, Callable {
  private final Statements.For loop;
  private final Scope scope;
  private final int depth;
  private final Object items;
  private Iterator<Object> iterator;
  private long length = -1;
  private int index = -1;
  private @Nullable Object previous;
  private @Nullable Object current;
  private @Nullable Object next;
  private @Nullable Object lastSeen;

  LoopContext(Statements.For loop, Scope scope, Object items, int depth) {
    this.loop = loop;
    this.scope = scope;
    this.items = items;
    this.depth = depth;
    this.iterator = Operators.iterate(items);
  }

  boolean advance() {
    Object item = peek();
    if (item == null) {
      return false;
    }
    previous = current;
    current = item;
    next = null;
    index++;
    return true;
  }

  private @Nullable Object peek() {
    if (next == null && iterator.hasNext()) {
      next = iterator.next();
    }
    return next;
  }

  Object current() {
    return current == null ? Values.NONE : current;
  }

  long length() {
    if (length < 0 && !(items instanceof PyIterator)) {
      length = Operators.length(items);
    } else if (length < 0) {
      List<Object> rest = new ArrayList<>();
      iterator.forEachRemaining(rest::add);
      iterator = rest.iterator();
      length = index + 1 + (next == null ? 0 : 1) + rest.size();
    }
    return length;
  }

  @Override
  public @Nullable Object attribute(String name) {
    return switch (name) {
      case "index" -> index + 1L;
      case "index0" -> (long) index;
      case "revindex" -> length() - index;
      case "revindex0" -> length() - index - 1;
      case "first" -> index == 0;
      case "last" -> peek() == null;
      case "length" -> length();
      case "depth" -> depth + 1L;
      case "depth0" -> (long) depth;
      case "previtem" -> previous == null ? Undefined.of("there is no previous item") : previous;
      case "nextitem" -> {
        Object item = peek();
        yield item == null ? Undefined.of("there is no next item") : item;
      }
      case "cycle" -> (Callable) (caller, arguments) -> cycle(arguments);
      case "changed" -> (Callable) (caller, arguments) -> changed(arguments);
      default -> null;
    };
  }

  private Object cycle(Arguments arguments) {
    List<Object> values = arguments.positional();
    if (values.isEmpty()) {
      throw TemplateError.type("no items for cycling given");
    }
    return values.get(index % values.size());
  }

  private boolean changed(Arguments arguments) {
    PyList seen = new PyList(PyList.Kind.TUPLE, arguments.positional());
    boolean differs = lastSeen == null || !Operators.equal(lastSeen, seen);
    lastSeen = seen;
    return differs;
  }

  @Override
  public Object call(Scope caller, Arguments arguments) {
    if (!loop.recursive()) {
      throw TemplateError.type(
          "The loop must have the 'recursive' marker to be called recursively.");
    }
    return loop.recurse(scope, arguments.bind("loop", 1, "iterable").get(0), depth + 1);
  }

  @Override
  public String toString() {
    return "<LoopContext " + (index + 1) + "/" + length() + ">";
  }
}
