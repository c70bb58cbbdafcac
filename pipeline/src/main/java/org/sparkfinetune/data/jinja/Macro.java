package org.sparkfinetune.data.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.jinja.Expressions.Expression;
import org.sparkfinetune.data.jinja.Statements.Statement;
import org.sparkfinetune.data.jinja.Values.Attributed;
import org.sparkfinetune.data.jinja.Values.Callable;
import org.sparkfinetune.data.jinja.Values.Dict;
import org.sparkfinetune.data.jinja.Values.PyList;
import org.sparkfinetune.data.jinja.Values.Undefined;

/** A macro, or the body of a call block; sees the names of the place where it was defined. */
final class Macro implements Attributed, Callable {
  /**
   * @param defaults of the last parameters
   * @param usesCaller whether the body names {@code caller}; the other two alike
   */
  record Signature(
      List<String> parameters,
      List<Expression> defaults,
      boolean usesCaller,
      boolean usesKwargs,
      boolean usesVarargs) {}

  private final String name;
  private final Signature signature;
  private final Statement body;
  private final Scope definition;

  Macro(String name, Signature signature, Statement body, Scope definition) {
    this.name = name;
    this.signature = signature;
    this.body = body;
    this.definition = definition;
  }

  @Override
  public Object call(Scope caller, Arguments arguments) {
    Scope scope = definition.child();
    bind(scope, arguments);
    scope.run.enter();
    TextBuilder out = new TextBuilder();
    body.run(scope, out);
    scope.run.leave();
    return out.toText();
  }

  private void bind(Scope scope, Arguments arguments) {
    List<String> parameters = signature.parameters();
    Map<String, Object> named = new LinkedHashMap<>(arguments.named());
    int given = Math.min(arguments.positional().size(), parameters.size());
    List<Integer> missing = new ArrayList<>();
    for (int i = 0; i < parameters.size(); i++) {
      String parameter = parameters.get(i);
      Object value = i < given ? arguments.positional().get(i) : named.remove(parameter);
      if (value == null) {
        missing.add(i);
      } else {
        scope.set(parameter, value);
      }
    }
    bindSpecial(scope, arguments, named);
    for (int i : missing) {
      scope.set(parameters.get(i), defaultOf(scope, i));
    }
  }

  /** Defaults are evaluated in order, so that one may name a parameter before it. */
  private Object defaultOf(Scope scope, int parameter) {
    int index = parameter - (signature.parameters().size() - signature.defaults().size());
    return index < 0
        ? Undefined.of("parameter '" + signature.parameters().get(parameter) + "' was not provided")
        : signature.defaults().get(index).evaluate(scope);
  }

  private void bindSpecial(Scope scope, Arguments arguments, Map<String, Object> named) {
    if (signature.usesCaller() && !signature.parameters().contains("caller")) {
      Object caller = named.remove("caller");
      scope.set("caller", caller != null ? caller : Undefined.of("No caller defined"));
    }
    if (signature.usesKwargs()) {
      Dict kwargs = new Dict();
      named.forEach((key, value) -> kwargs.put(Text.of(key), value));
      scope.set("kwargs", kwargs);
    } else if (!named.isEmpty()) {
      throw TemplateError.type(
          named.containsKey("caller")
              ? "macro '" + name + "' was invoked with two values for the special caller argument."
              : "macro '%s' takes no keyword argument '%s'"
                  .formatted(name, named.keySet().iterator().next()));
    }
    List<Object> positional = arguments.positional();
    int size = signature.parameters().size();
    if (signature.usesVarargs()) {
      List<Object> rest = positional.subList(Math.min(size, positional.size()), positional.size());
      scope.set("varargs", new PyList(PyList.Kind.TUPLE, rest));
    } else if (positional.size() > size) {
      throw TemplateError.type(
          "macro '%s' takes not more than %s argument(s)".formatted(name, size));
    }
  }

  @Override
  public @Nullable Object attribute(String attribute) {
    return switch (attribute) {
      case "name" -> Text.of(name);
      case "arguments" ->
          new PyList(
              PyList.Kind.TUPLE,
              signature.parameters().stream().map(p -> (Object) Text.of(p)).toList());
      case "caller" -> signature.usesCaller();
      case "catch_kwargs" -> signature.usesKwargs();
      case "catch_varargs" -> signature.usesVarargs();
      default -> null;
    };
  }

  @Override
  public String toString() {
    return "<Macro '" + name + "'>";
  }
}
