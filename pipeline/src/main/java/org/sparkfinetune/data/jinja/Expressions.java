package org.sparkfinetune.data.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.data.jinja.Numbers.Operator;
import org.sparkfinetune.data.jinja.TemplateError.Kind;
import org.sparkfinetune.data.jinja.Values.Dict;
import org.sparkfinetune.data.jinja.Values.PyList;
import org.sparkfinetune.data.jinja.Values.Undefined;

/** The nodes of an expression; each evaluates itself. */
final class Expressions {
  private Expressions() {}

  interface Expression {
    Object evaluate(Scope scope);
  }

  /** What stands left of an assignment. */
  interface Target {
    void assign(Scope scope, Object value);
  }

  record Constant(Object value) implements Expression {
    static final Constant NONE = new Constant(Values.NONE);

    @Override
    public Object evaluate(Scope scope) {
      return value;
    }
  }

  record Name(String name) implements Expression, Target {
    @Override
    public Object evaluate(Scope scope) {
      Object value = scope.find(name);
      return value != null ? value : Undefined.name(name);
    }

    @Override
    public void assign(Scope scope, Object value) {
      scope.set(name, value);
    }
  }

  /** {@code {% set ns.name = … %}}. */
  record NamespaceTarget(String namespace, String attribute) implements Expression, Target {
    @Override
    public Object evaluate(Scope scope) {
      throw new TemplateError(Kind.SYNTAX, "a namespace's attribute is no target here");
    }

    @Override
    public void assign(Scope scope, Object value) {
      if (!(scope.find(namespace) instanceof Functions.Namespace target)) {
        throw new TemplateError(Kind.RUNTIME, "cannot assign attribute on non-namespace object");
      }
      target.set(attribute, value);
    }
  }

  record Sequence(PyList.Kind kind, List<Expression> items) implements Expression, Target {
    @Override
    public Object evaluate(Scope scope) {
      List<Object> values = new ArrayList<>(items.size());
      for (Expression item : items) {
        values.add(item.evaluate(scope));
      }
      return new PyList(kind, values);
    }

    @Override
    public void assign(Scope scope, Object value) {
      Iterator<Object> values = Operators.iterate(value);
      List<Object> found = new ArrayList<>();
      while (values.hasNext() && found.size() <= items.size()) {
        found.add(values.next());
      }
      if (found.size() > items.size()) {
        throw TemplateError.value("too many values to unpack (expected " + items.size() + ")");
      }
      if (found.size() < items.size()) {
        throw TemplateError.value(
            "not enough values to unpack (expected %s, got %s)"
                .formatted(items.size(), found.size()));
      }
      for (int i = 0; i < items.size(); i++) {
        ((Target) items.get(i)).assign(scope, found.get(i));
      }
    }
  }

  record DictLiteral(List<Expression> keys, List<Expression> values) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Dict dict = new Dict();
      for (int i = 0; i < keys.size(); i++) {
        dict.put(keys.get(i).evaluate(scope), values.get(i).evaluate(scope));
      }
      return dict;
    }
  }

  record Conditional(Expression test, Expression then, Optional<Expression> otherwise)
      implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      if (Operators.truth(test.evaluate(scope))) {
        return then.evaluate(scope);
      }
      return otherwise.isPresent()
          ? otherwise.get().evaluate(scope)
          : Undefined.of(
              "the inline if-expression evaluated to false and no else section was defined.");
    }
  }

  record And(Expression left, Expression right) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Object value = left.evaluate(scope);
      return Operators.truth(value) ? right.evaluate(scope) : value;
    }
  }

  record Or(Expression left, Expression right) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Object value = left.evaluate(scope);
      return Operators.truth(value) ? value : right.evaluate(scope);
    }
  }

  record Not(Expression operand) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      return !Operators.truth(operand.evaluate(scope));
    }
  }

  record Negative(Expression operand) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      return Numbers.negate(operand.evaluate(scope));
    }
  }

  record Positive(Expression operand) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      return Numbers.positive(operand.evaluate(scope));
    }
  }

  record Binary(Operator operator, Expression left, Expression right) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Object a = left.evaluate(scope);
      Object b = right.evaluate(scope);
      if (operator == Operator.ADD && a instanceof Text x && b instanceof Text y) {
        return Numbers.concat(x, y);
      }
      return Numbers.apply(operator, a, b);
    }
  }

  /** {@code a ~ b ~ c}. */
  record Concat(List<Expression> parts) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      TextBuilder joined = new TextBuilder();
      for (Expression part : parts) {
        joined.append(Printing.str(part.evaluate(scope)));
      }
      return joined.toText();
    }
  }

  record Operand(String operator, Expression value) {}

  /** {@code a < b in c}: each operand once, and no further than the first that fails. */
  record Comparison(Expression first, List<Operand> operands) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Object left = first.evaluate(scope);
      for (Operand operand : operands) {
        Object right = operand.value().evaluate(scope);
        if (!holds(operand.operator(), left, right)) {
          return false;
        }
        left = right;
      }
      return true;
    }

    private static boolean holds(String operator, Object left, Object right) {
      return switch (operator) {
        case "==" -> Operators.equal(left, right);
        case "!=" -> !Operators.equal(left, right);
        case "in" -> Operators.contains(right, left);
        case "not in" -> !Operators.contains(right, left);
        default -> Operators.compare(operator, left, right);
      };
    }
  }

  record Attribute(Expression object, String name) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      return Access.attribute(object.evaluate(scope), name);
    }
  }

  record Item(Expression object, Expression key) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      return Access.item(object.evaluate(scope), key.evaluate(scope));
    }
  }

  record Slice(Expression object, Expression from, Expression to, Expression step)
      implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      return Access.slice(
          object.evaluate(scope), from.evaluate(scope), to.evaluate(scope), step.evaluate(scope));
    }
  }

  /** The arguments of a call as written. */
  record CallArguments(
      List<Expression> positional,
      Map<String, Expression> named,
      Optional<Expression> star,
      Optional<Expression> doubleStar) {
    static final CallArguments NONE =
        new CallArguments(List.of(), Map.of(), Optional.empty(), Optional.empty());

    Arguments evaluate(Scope scope) {
      if (this == NONE) {
        return Arguments.NONE;
      }
      List<Object> values = new ArrayList<>(positional.size());
      for (Expression argument : positional) {
        values.add(argument.evaluate(scope));
      }
      if (named.isEmpty() && star.isEmpty() && doubleStar.isEmpty()) {
        return new Arguments(values, Map.of());
      }
      Map<String, Object> names = new LinkedHashMap<>();
      named.forEach((name, value) -> names.put(name, value.evaluate(scope)));
      star.ifPresent(list -> Operators.iterate(list.evaluate(scope)).forEachRemaining(values::add));
      doubleStar.ifPresent(dict -> addAll(names, dict.evaluate(scope)));
      return new Arguments(values, names);
    }

    private static void addAll(Map<String, Object> names, Object more) {
      if (!(more instanceof Dict dict)) {
        throw TemplateError.type(
            "argument after ** must be a mapping, not " + Values.typeName(more));
      }
      for (Object item : dict.items().items) {
        List<Object> pair = ((PyList) item).items;
        if (!(pair.get(0) instanceof Text)) {
          throw TemplateError.type("keywords must be strings");
        }
        if (names.put(pair.get(0).toString(), pair.get(1)) != null) {
          throw TemplateError.type(
              "got multiple values for keyword argument '" + pair.get(0) + "'");
        }
      }
    }
  }

  record Call(Expression function, CallArguments arguments) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      return Access.call(scope, function.evaluate(scope), arguments.evaluate(scope));
    }

    Object evaluate(Scope scope, Object caller) {
      Object called = function.evaluate(scope);
      Arguments own = arguments.evaluate(scope);
      Map<String, Object> named = new LinkedHashMap<>(own.named());
      named.put("caller", caller);
      return Access.call(scope, called, new Arguments(own.positional(), named));
    }
  }

  record Filtered(Expression value, String name, CallArguments arguments) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      scope.run.step();
      Filters.Filter filter = Filters.named(name);
      return filter.apply(scope, value.evaluate(scope), arguments.evaluate(scope));
    }
  }

  record Tested(Expression value, String name, CallArguments arguments) implements Expression {
    @Override
    public Object evaluate(Scope scope) {
      Tests.Test test = Tests.named(name);
      return test.holds(value.evaluate(scope), arguments.evaluate(scope));
    }
  }
}
