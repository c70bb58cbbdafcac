package org.sparkfinetune.data.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import org.sparkfinetune.data.jinja.Expressions.Call;
import org.sparkfinetune.data.jinja.Expressions.Expression;
import org.sparkfinetune.data.jinja.Expressions.Target;
import org.sparkfinetune.data.jinja.Lexer.Token;
import org.sparkfinetune.data.jinja.Lexer.Type;
import org.sparkfinetune.data.jinja.Statements.Block;
import org.sparkfinetune.data.jinja.Statements.Flow;
import org.sparkfinetune.data.jinja.Statements.Hole;
import org.sparkfinetune.data.jinja.Statements.Located;
import org.sparkfinetune.data.jinja.Statements.Statement;
import org.sparkfinetune.data.jinja.TemplateError.Kind;

/**
 * The grammar of tags, as jinja2's parser has it; {@link ExpressionParser} has that of expressions.
 */
final class Parser {
  private static final Block NOTHING = new Block(List.of());
  private static final Set<String> OTHER_FILES = Set.of("include", "import", "from", "extends");

  private final TokenStream stream;
  private final ExpressionParser expressions;
  private boolean inLoop = false;
  private boolean marksGenerated = false;
  private int depth = 0;

  Parser(String source) {
    stream = new TokenStream(Lexer.tokens(source));
    expressions = new ExpressionParser(stream);
  }

  Statement template() {
    return expressions.inner(() -> statements(Set.of(), ""));
  }

  boolean marksGenerated() {
    return marksGenerated;
  }

  /** Statements up to a block that begins with one of the names; its name is the next token. */
  private Block statements(Set<String> ends, String tag) {
    if (++depth > ExpressionParser.MAX_DEPTH) {
      throw stream.error("blocks are nested too deeply");
    }
    List<Statement> statements = new ArrayList<>();
    while (stream.current().type() != Type.EOF) {
      Token token = stream.next();
      switch (token.type()) {
        case DATA -> statements.add(new Statements.Data(token.value()));
        case PRINT_BEGIN -> {
          Expression value = expressions.tuple();
          stream.expect(Type.PRINT_END);
          statements.add(new Located(token.line(), new Statements.Print(value)));
        }
        case BLOCK_BEGIN -> {
          if (stream.current().type() == Type.NAME && ends.contains(stream.current().value())) {
            depth--;
            return new Block(statements);
          }
          statements.add(new Located(token.line(), statement()));
          stream.expect(Type.BLOCK_END);
        }
        case PRINT_END, BLOCK_END, NAME, STRING, INTEGER, FLOAT, OPERATOR, EOF ->
            throw stream.error("unexpected " + token.description());
      }
    }
    if (!ends.isEmpty()) {
      throw stream.error(
          "Unexpected end of template. The tag '"
              + tag
              + "' is not closed: expected one of "
              + ends.stream().sorted().toList());
    }
    depth--;
    return new Block(statements);
  }

  private Block body(String tag, String... ends) {
    stream.skipOperator(":");
    stream.expect(Type.BLOCK_END);
    return statements(Set.of(ends), tag);
  }

  /** A body with a scope of its own, up to its end tag. */
  private Block innerBody(String tag) {
    return expressions.inner(
        () -> {
          Block body = body(tag, "end" + tag);
          stream.next();
          return body;
        });
  }

  private Statement statement() {
    Token tag = stream.current();
    if (tag.type() != Type.NAME) {
      throw stream.error("tag name expected");
    }
    stream.next();
    return switch (tag.value()) {
      case "if" -> expressions.soft(this::parseIf);
      case "for" -> parseFor();
      case "set" -> parseSet();
      case "macro" -> parseMacro();
      case "call" -> parseCall();
      case "filter" -> parseFilter();
      case "with" -> parseWith();
      case "print" -> new Statements.Print(expressions.tuple());
      case "block" -> parseBlock();
      case "generation" -> {
        marksGenerated = true;
        yield new Statements.Generation(outsideLoop(() -> innerBody("generation")));
      }
      case "break" -> jump(Flow.BREAK);
      case "continue" -> jump(Flow.CONTINUE);
      default -> {
        if (OTHER_FILES.contains(tag.value()) || tag.value().equals("autoescape")) {
          yield unsupported(tag.value());
        }
        throw new TemplateError(
            Kind.SYNTAX, "Encountered unknown tag '" + tag.value() + "'.", tag.line());
      }
    };
  }

  /** jinja2 knows these tags, and fails on those for other files when it reaches them. */
  private Statement unsupported(String tag) {
    while (stream.current().type() != Type.BLOCK_END && stream.current().type() != Type.EOF) {
      stream.next();
    }
    if (tag.equals("autoescape")) {
      throw new TemplateError(
          Kind.UNSUPPORTED, "the tag 'autoescape' is not supported", stream.line());
    }
    return (scope, out) -> {
      throw TemplateError.type("no loader for this environment specified ('" + tag + "')");
    };
  }

  private Statement jump(Flow flow) {
    if (!inLoop) {
      throw stream.error("'" + (flow == Flow.BREAK ? "break" : "continue") + "' outside loop");
    }
    return new Statements.Jump(flow);
  }

  private <T> T outsideLoop(Supplier<T> parse) {
    return withLoop(false, parse);
  }

  private <T> T withLoop(boolean loop, Supplier<T> parse) {
    boolean before = inLoop;
    inLoop = loop;
    T result = parse.get();
    inLoop = before;
    return result;
  }

  private Statement parseIf() {
    Expression test = expressions.tupleWithoutCondition();
    Block then = body("if", "elif", "else", "endif");
    Token end = stream.next();
    if (end.isName("elif")) {
      return new Statements.If(test, then, new Located(end.line(), parseIf()));
    }
    if (end.isName("else")) {
      Block otherwise = body("if", "endif");
      stream.next();
      return new Statements.If(test, then, otherwise);
    }
    return new Statements.If(test, then, NOTHING);
  }

  private Statement parseFor() {
    Target target = expressions.target(Set.of("in"), false);
    stream.expectName("in");
    Expression iterable = expressions.tupleWithoutCondition(Set.of("recursive"));
    Optional<Expression> test =
        stream.skipName("if")
            ? Optional.of(expressions.inner(expressions::expression))
            : Optional.empty();
    boolean recursive = stream.skipName("recursive");
    Block body = expressions.inner(() -> withLoop(true, () -> body("for", "endfor", "else")));
    Block otherwise = NOTHING;
    if (stream.next().isName("else")) {
      otherwise = expressions.inner(() -> body("for", "endfor"));
      stream.next();
    }
    return new Statements.For(target, iterable, test, body, otherwise, recursive);
  }

  private Statement parseSet() {
    Target target = expressions.target(Set.of(), true);
    if (stream.skipOperator("=")) {
      return new Statements.Assign(target, expressions.tuple());
    }
    Hole hole = new Hole();
    return expressions.inner(
        () -> {
          Expression filtered = expressions.filters(hole);
          return new Statements.Capture(innerBody("set"), hole, filtered, Optional.of(target));
        });
  }

  private Statement parseFilter() {
    Hole hole = new Hole();
    return expressions.inner(
        () -> {
          Expression filtered = expressions.filtersInline(hole);
          return new Statements.Capture(innerBody("filter"), hole, filtered, Optional.empty());
        });
  }

  private Statement parseWith() {
    List<Target> targets = new ArrayList<>();
    List<Expression> values = new ArrayList<>();
    while (stream.current().type() != Type.BLOCK_END) {
      if (!targets.isEmpty()) {
        stream.expectOperator(",");
      }
      targets.add(expressions.target(Set.of(), false));
      stream.expectOperator("=");
      values.add(expressions.expression());
    }
    return new Statements.With(targets, values, innerBody("with"));
  }

  private Statement parseBlock() {
    stream.expect(Type.NAME);
    stream.skipName("scoped");
    stream.skipName("required");
    Block body = outsideLoop(() -> expressions.inner(() -> body("block", "endblock")));
    stream.next();
    if (stream.current().type() == Type.NAME) {
      stream.next();
    }
    return new Statements.With(List.of(), List.of(), body);
  }

  private Statement parseMacro() {
    String name = stream.expect(Type.NAME).value();
    List<String> parameters = new ArrayList<>();
    return expressions.inner(
        () -> {
          List<Expression> defaults = parameters(parameters);
          return definition(parameters, defaults, "macro")
              .map((signature, body) -> new Statements.MacroDefinition(name, signature, body));
        });
  }

  private Statement parseCall() {
    List<String> parameters = new ArrayList<>();
    boolean signed = stream.current().isOperator("(");
    List<Expression> defaults = signed ? parameters(parameters) : List.of();
    if (!(expressions.expression() instanceof Call call)) {
      throw stream.error("expected call");
    }
    return expressions.inner(
        () ->
            definition(parameters, defaults, "call")
                .map((signature, body) -> new Statements.CallBlock(call, signature, body)));
  }

  private List<Expression> parameters(List<String> names) {
    List<Expression> defaults = new ArrayList<>();
    stream.expectOperator("(");
    while (!stream.current().isOperator(")")) {
      if (!names.isEmpty()) {
        stream.expectOperator(",");
      }
      names.add(stream.expect(Type.NAME).value());
      if (stream.skipOperator("=")) {
        defaults.add(expressions.expression());
      } else if (!defaults.isEmpty()) {
        throw stream.error("non-default argument follows default argument");
      }
    }
    stream.expectOperator(")");
    return defaults;
  }

  private record Definition(Macro.Signature signature, Block body) {
    Statement map(BiFunction<Macro.Signature, Block, Statement> statement) {
      return statement.apply(signature, body);
    }
  }

  private Definition definition(List<String> parameters, List<Expression> defaults, String tag) {
    Set<String> outer = expressions.collectNames();
    Block body = outsideLoop(() -> innerBody(tag));
    Set<String> names = expressions.namesSince(outer);
    if (parameters.contains("caller")
        && names.contains("caller")
        && parameters.indexOf("caller") < parameters.size() - defaults.size()) {
      throw stream.error("the parameter 'caller' of a macro or call block must have a default");
    }
    boolean kwargs = names.contains("kwargs") && !parameters.contains("kwargs");
    boolean varargs = names.contains("varargs") && !parameters.contains("varargs");
    return new Definition(
        new Macro.Signature(parameters, defaults, names.contains("caller"), kwargs, varargs), body);
  }
}
