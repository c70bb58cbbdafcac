package org.sparkfinetune.data.jinja;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import org.sparkfinetune.data.jinja.Expressions.Binary;
import org.sparkfinetune.data.jinja.Expressions.CallArguments;
import org.sparkfinetune.data.jinja.Expressions.Constant;
import org.sparkfinetune.data.jinja.Expressions.Expression;
import org.sparkfinetune.data.jinja.Expressions.Operand;
import org.sparkfinetune.data.jinja.Expressions.Target;
import org.sparkfinetune.data.jinja.Lexer.Token;
import org.sparkfinetune.data.jinja.Lexer.Type;
import org.sparkfinetune.data.jinja.Numbers.Operator;
import org.sparkfinetune.data.jinja.TemplateError.Kind;
import org.sparkfinetune.data.jinja.Values.PyList;

/**
 * The grammar of expressions, with the precedences of jinja2's parser, which are not all Python's.
 */
final class ExpressionParser {
  static final int MAX_DEPTH = 200;

  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

  private final TokenStream stream;

  /** Unknown filters and tests: refused unless they stand inside a condition. */
  private final List<TemplateError> unknown = new ArrayList<>();

  private Set<String> names = new HashSet<>();
  private int depth = 0;

  ExpressionParser(TokenStream stream) {
    this.stream = stream;
  }

  /** Parses a scope of its own: jinja2 refuses unknown filters at once there. */
  <T> T inner(Supplier<T> parse) {
    int before = unknown.size();
    T result = parse.get();
    if (unknown.size() > before) {
      throw unknown.get(before);
    }
    return result;
  }

  /** Parses what is under a condition: unknown filters fail when they are reached. */
  <T> T soft(Supplier<T> parse) {
    int before = unknown.size();
    T result = parse.get();
    unknown.subList(before, unknown.size()).clear();
    return result;
  }

  /** Begins to collect the names that are read; what was collected before is the answer. */
  Set<String> collectNames() {
    Set<String> outer = names;
    names = new HashSet<>();
    return outer;
  }

  Set<String> namesSince(Set<String> outer) {
    Set<String> inner = names;
    outer.addAll(inner);
    names = outer;
    return inner;
  }

  Expression tuple() {
    return tuple(this::expression, Set.of(), false);
  }

  Expression tupleWithoutCondition() {
    return tupleWithoutCondition(Set.of());
  }

  Expression tupleWithoutCondition(Set<String> ends) {
    return tuple(this::or, ends, false);
  }

  private Expression tuple(Supplier<Expression> item, Set<String> ends, boolean mayBeEmpty) {
    List<Expression> items = new ArrayList<>();
    boolean isTuple = false;
    while (true) {
      if (!items.isEmpty()) {
        stream.expectOperator(",");
      }
      if (isTupleEnd(ends)) {
        break;
      }
      items.add(item.get());
      if (!stream.current().isOperator(",")) {
        break;
      }
      isTuple = true;
    }
    if (!isTuple && !items.isEmpty()) {
      return items.get(0);
    }
    if (!isTuple && !mayBeEmpty) {
      throw stream.error("Expected an expression, got " + stream.current().description());
    }
    return new Expressions.Sequence(PyList.Kind.TUPLE, items);
  }

  private boolean isTupleEnd(Set<String> ends) {
    Token token = stream.current();
    return token.type() == Type.PRINT_END
        || token.type() == Type.BLOCK_END
        || token.isOperator(")")
        || (token.type() == Type.NAME && ends.contains(token.value()));
  }

  /**
   * @param ends names that end it
   */
  Target target(Set<String> ends, boolean withNamespace) {
    Expression target = tuple(() -> targetItem(withNamespace), ends, false);
    if (!canBeAssigned(target)) {
      throw stream.error(
          "can't assign to "
              + target.getClass().getSimpleName().toLowerCase(java.util.Locale.ROOT));
    }
    return (Target) target;
  }

  private Expression targetItem(boolean withNamespace) {
    Token name = stream.current();
    if (withNamespace && name.type() == Type.NAME && stream.look().isOperator(".")) {
      stream.next();
      stream.next();
      return new Expressions.NamespaceTarget(name.value(), stream.expect(Type.NAME).value());
    }
    return primary();
  }

  private static boolean canBeAssigned(Expression target) {
    if (target instanceof Expressions.Sequence sequence) {
      return sequence.kind() == PyList.Kind.TUPLE
          && sequence.items().stream().allMatch(ExpressionParser::canBeAssigned);
    }
    return target instanceof Target;
  }

  Expression expression() {
    if (++depth > MAX_DEPTH) {
      throw stream.error("expressions are nested too deeply");
    }
    int before = unknown.size();
    Expression expression = or();
    while (stream.skipName("if")) {
      Expression test = or();
      Optional<Expression> otherwise =
          stream.skipName("else") ? Optional.of(expression()) : Optional.empty();
      expression = new Expressions.Conditional(test, expression, otherwise);
      unknown.subList(before, unknown.size()).clear();
    }
    depth--;
    return expression;
  }

  private Expression or() {
    Expression left = and();
    while (stream.skipName("or")) {
      left = new Expressions.Or(left, and());
    }
    return left;
  }

  private Expression and() {
    Expression left = not();
    while (stream.skipName("and")) {
      left = new Expressions.And(left, not());
    }
    return left;
  }

  private Expression not() {
    if (stream.skipName("not")) {
      return deeper(() -> new Expressions.Not(not()));
    }
    return comparison();
  }

  private Expression deeper(Supplier<Expression> parse) {
    if (++depth > MAX_DEPTH) {
      throw stream.error("expressions are nested too deeply");
    }
    Expression expression = parse.get();
    depth--;
    return expression;
  }

  private Expression comparison() {
    Expression first = sum();
    List<Operand> operands = new ArrayList<>();
    while (true) {
      Token token = stream.current();
      if (token.type() == Type.OPERATOR && COMPARISONS.contains(token.value())) {
        stream.next();
        operands.add(new Operand(token.value(), sum()));
      } else if (stream.skipName("in")) {
        operands.add(new Operand("in", sum()));
      } else if (token.isName("not") && stream.look().isName("in")) {
        stream.next();
        stream.next();
        operands.add(new Operand("not in", sum()));
      } else {
        return operands.isEmpty() ? first : new Expressions.Comparison(first, operands);
      }
    }
  }

  private Expression sum() {
    Expression left = concat();
    while (true) {
      if (stream.skipOperator("+")) {
        left = new Binary(Operator.ADD, left, concat());
      } else if (stream.skipOperator("-")) {
        left = new Binary(Operator.SUBTRACT, left, concat());
      } else {
        return left;
      }
    }
  }

  private Expression concat() {
    List<Expression> parts = new ArrayList<>(List.of(product()));
    while (stream.skipOperator("~")) {
      parts.add(product());
    }
    return parts.size() == 1 ? parts.get(0) : new Expressions.Concat(parts);
  }

  private Expression product() {
    Expression left = power();
    while (true) {
      Optional<Operator> operator = productOperator();
      if (operator.isEmpty()) {
        return left;
      }
      left = new Binary(operator.get(), left, power());
    }
  }

  private Optional<Operator> productOperator() {
    if (stream.skipOperator("*")) {
      return Optional.of(Operator.MULTIPLY);
    }
    if (stream.skipOperator("/")) {
      return Optional.of(Operator.DIVIDE);
    }
    if (stream.skipOperator("//")) {
      return Optional.of(Operator.FLOOR_DIVIDE);
    }
    return stream.skipOperator("%") ? Optional.of(Operator.MODULO) : Optional.empty();
  }

  /** Left to right, unlike Python's. */
  private Expression power() {
    Expression left = unary(true);
    while (stream.skipOperator("**")) {
      left = new Binary(Operator.POWER, left, unary(true));
    }
    return left;
  }

  private Expression unary(boolean withFilter) {
    Expression node;
    if (stream.skipOperator("-")) {
      node = deeper(() -> new Expressions.Negative(unary(false)));
    } else if (stream.skipOperator("+")) {
      node = deeper(() -> new Expressions.Positive(unary(false)));
    } else {
      node = primary();
    }
    node = postfix(node);
    return withFilter ? filterExpression(node) : node;
  }

  private Expression primary() {
    Token token = stream.next();
    return switch (token.type()) {
      case NAME -> name(token.value());
      case STRING -> string(token.value());
      case INTEGER -> new Constant(Lexer.integer(token.value()));
      case FLOAT -> new Constant(Double.valueOf(token.value()));
      case OPERATOR -> bracketed(token);
      case DATA, PRINT_BEGIN, PRINT_END, BLOCK_BEGIN, BLOCK_END, EOF -> throw unexpected(token);
    };
  }

  private static TemplateError unexpected(Token token) {
    return new TemplateError(Kind.SYNTAX, "unexpected " + token.description(), token.line());
  }

  private Expression name(String name) {
    return switch (name) {
      case "true", "True" -> new Constant(true);
      case "false", "False" -> new Constant(false);
      case "none", "None" -> Constant.NONE;
      default -> {
        names.add(name);
        yield new Expressions.Name(name);
      }
    };
  }

  private Expression string(String first) {
    StringBuilder joined = new StringBuilder(first);
    while (stream.current().type() == Type.STRING) {
      joined.append(stream.next().value());
    }
    return new Constant(Text.of(joined.toString()));
  }

  private Expression bracketed(Token token) {
    return switch (token.value()) {
      case "(" -> {
        Expression inside = tuple(this::expression, Set.of(), true);
        stream.expectOperator(")");
        yield inside;
      }
      case "[" -> new Expressions.Sequence(PyList.Kind.LIST, items("]", this::expression));
      case "{" -> dict();
      default -> throw unexpected(token);
    };
  }

  private List<Expression> items(String end, Supplier<Expression> item) {
    List<Expression> items = new ArrayList<>();
    while (!stream.current().isOperator(end)) {
      if (!items.isEmpty()) {
        stream.expectOperator(",");
      }
      if (stream.current().isOperator(end)) {
        break;
      }
      items.add(item.get());
    }
    stream.expectOperator(end);
    return items;
  }

  private Expression dict() {
    List<Expression> keys = new ArrayList<>();
    List<Expression> values =
        items(
            "}",
            () -> {
              keys.add(expression());
              stream.expectOperator(":");
              return expression();
            });
    return new Expressions.DictLiteral(keys, values);
  }

  private Expression postfix(Expression start) {
    Expression node = start;
    while (true) {
      if (stream.skipOperator(".")) {
        node = attribute(node);
      } else if (stream.skipOperator("[")) {
        node = subscript(node);
      } else if (stream.current().isOperator("(")) {
        node = new Expressions.Call(node, arguments());
      } else {
        return node;
      }
    }
  }

  private Expression filterExpression(Expression start) {
    Expression node = start;
    while (true) {
      if (stream.current().isOperator("|")) {
        node = filters(node);
      } else if (stream.skipName("is")) {
        node = test(node);
      } else if (stream.current().isOperator("(")) {
        node = new Expressions.Call(node, arguments());
      } else {
        return node;
      }
    }
  }

  private Expression attribute(Expression object) {
    Token token = stream.next();
    if (token.type() == Type.NAME) {
      return new Expressions.Attribute(object, token.value());
    }
    if (token.type() == Type.INTEGER) {
      return new Expressions.Item(object, new Constant(Lexer.integer(token.value())));
    }
    throw new TemplateError(Kind.SYNTAX, "expected name or number", token.line());
  }

  private Expression subscript(Expression object) {
    List<Expression> parts = new ArrayList<>();
    Optional<Expression> slice = Optional.empty();
    while (!stream.current().isOperator("]")) {
      if (!parts.isEmpty()) {
        stream.expectOperator(",");
      }
      Expression part = stream.current().isOperator(":") ? Constant.NONE : expression();
      slice = stream.skipOperator(":") ? Optional.of(slice(object, part)) : Optional.empty();
      parts.add(slice.orElse(part));
    }
    stream.expectOperator("]");
    if (parts.size() == 1) {
      return slice.orElseGet(() -> new Expressions.Item(object, parts.get(0)));
    }
    return new Expressions.Item(object, new Expressions.Sequence(PyList.Kind.TUPLE, parts));
  }

  /** Behind the first colon. */
  private Expression slice(Expression object, Expression from) {
    Expression to = sliceEnd();
    Expression step = stream.skipOperator(":") ? sliceEnd() : Constant.NONE;
    return new Expressions.Slice(object, from, to, step);
  }

  private Expression sliceEnd() {
    Token token = stream.current();
    boolean none = token.isOperator(":") || token.isOperator("]") || token.isOperator(",");
    return none ? Constant.NONE : expression();
  }

  private CallArguments arguments() {
    List<Expression> positional = new ArrayList<>();
    Map<String, Expression> named = new LinkedHashMap<>();
    Optional<Expression> star = Optional.empty();
    Optional<Expression> doubleStar = Optional.empty();
    stream.expectOperator("(");
    boolean comma = false;
    while (!stream.current().isOperator(")")) {
      if (comma) {
        stream.expectOperator(",");
        if (stream.current().isOperator(")")) {
          break;
        }
      }
      comma = true;
      if (stream.skipOperator("*")) {
        ensure(star.isEmpty() && doubleStar.isEmpty());
        star = Optional.of(expression());
      } else if (stream.skipOperator("**")) {
        ensure(doubleStar.isEmpty());
        doubleStar = Optional.of(expression());
      } else if (stream.current().type() == Type.NAME && stream.look().isOperator("=")) {
        ensure(doubleStar.isEmpty());
        String name = stream.next().value();
        stream.next();
        if (named.put(name, expression()) != null) {
          throw stream.error("keyword argument repeated: " + name);
        }
      } else {
        ensure(star.isEmpty() && doubleStar.isEmpty() && named.isEmpty());
        positional.add(expression());
      }
    }
    stream.expectOperator(")");
    return new CallArguments(positional, named, star, doubleStar);
  }

  private void ensure(boolean valid) {
    if (!valid) {
      throw stream.error("invalid syntax for function call expression");
    }
  }

  private CallArguments optionalArguments() {
    return stream.current().isOperator("(") ? arguments() : CallArguments.NONE;
  }

  Expression filters(Expression start) {
    Expression node = start;
    while (stream.skipOperator("|")) {
      node = filter(node);
    }
    return node;
  }

  /** {@code {% filter name|other %}}: the first one without a bar. */
  Expression filtersInline(Expression value) {
    return filters(filter(value));
  }

  private Expression filter(Expression value) {
    int line = stream.line();
    String name = dottedName();
    check(Filters.knows(name), "filter", name, line);
    return new Expressions.Filtered(value, name, optionalArguments());
  }

  private String dottedName() {
    StringBuilder name = new StringBuilder(stream.expect(Type.NAME).value());
    while (stream.skipOperator(".")) {
      name.append('.').append(stream.expect(Type.NAME).value());
    }
    return name.toString();
  }

  private void check(boolean known, String what, String name, int line) {
    if (!known) {
      unknown.add(new TemplateError(Kind.ASSERTION, "No " + what + " named '" + name + "'.", line));
    }
  }

  private Expression test(Expression value) {
    int line = stream.line();
    boolean negated = stream.skipName("not");
    String name = dottedName();
    check(Tests.knows(name), "test", name, line);
    CallArguments arguments = testArguments();
    Expression test = new Expressions.Tested(value, name, arguments);
    return negated ? new Expressions.Not(test) : test;
  }

  private CallArguments testArguments() {
    Token token = stream.current();
    boolean literal =
        token.type() == Type.STRING
            || token.type() == Type.INTEGER
            || token.type() == Type.FLOAT
            || token.isOperator("[")
            || token.isOperator("{");
    boolean word =
        token.type() == Type.NAME && !Set.of("else", "or", "and").contains(token.value());
    if (!literal && !word) {
      return optionalArguments();
    }
    if (token.isName("is")) {
      throw stream.error("You cannot chain multiple tests with is");
    }
    Expression argument = postfix(primary());
    return new CallArguments(List.of(argument), Map.of(), Optional.empty(), Optional.empty());
  }
}
