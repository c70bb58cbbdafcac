package org.sparkfinetune.data.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.jinja.Expressions.Call;
import org.sparkfinetune.data.jinja.Expressions.Expression;
import org.sparkfinetune.data.jinja.Expressions.Target;
import org.sparkfinetune.data.jinja.Values.PyIterator;

/** The tags of a template; each writes its part of the output. */
final class Statements {
  private Statements() {}

  /** How a statement ends. */
  enum Flow {
    NEXT,
    BREAK,
    CONTINUE
  }

  interface Statement {
    Flow run(Scope scope, TextBuilder out);
  }

  /** Statements in order, in the scope of what stands around them. */
  record Block(List<Statement> statements) implements Statement {
    @Override
    public Flow run(Scope scope, TextBuilder out) {
      for (Statement statement : statements) {
        Flow flow = statement.run(scope, out);
        if (flow != Flow.NEXT) {
          return flow;
        }
      }
      return Flow.NEXT;
    }
  }

  /** Gives an error inside a statement its line. */
  record Located(int line, Statement statement) implements Statement {
    @Override
    public Flow run(Scope scope, TextBuilder out) {
      try {
        return statement.run(scope, out);
      } catch (TemplateError e) {
        throw e.at(line);
      }
    }
  }

  record Data(String text) implements Statement {
    @Override
    public Flow run(Scope scope, TextBuilder out) {
      out.append(text);
      return Flow.NEXT;
    }
  }

  record Print(Expression value) implements Statement {
    @Override
    public Flow run(Scope scope, TextBuilder out) {
      scope.run.step();
      out.append(Printing.str(value.evaluate(scope)));
      return Flow.NEXT;
    }
  }

  record Jump(Flow flow) implements Statement {
    @Override
    public Flow run(Scope scope, TextBuilder out) {
      return flow;
    }
  }

  record If(Expression test, Statement then, Statement otherwise) implements Statement {
    @Override
    public Flow run(Scope scope, TextBuilder out) {
      scope.run.step();
      return Operators.truth(test.evaluate(scope))
          ? then.run(scope, out)
          : otherwise.run(scope, out);
    }
  }

  record Assign(Target target, Expression value) implements Statement {
    @Override
    public Flow run(Scope scope, TextBuilder out) {
      scope.run.step();
      target.assign(scope, value.evaluate(scope));
      return Flow.NEXT;
    }
  }

  /**
   * {@code {% set x %}…{% endset %}} and {@code {% filter f %}…{% endfilter %}}: what a body
   * writes, filtered.
   *
   * @param written stands for the body's text inside {@code filtered}
   * @param target where the text goes; empty: to the output
   */
  record Capture(Statement body, Hole written, Expression filtered, Optional<Target> target)
      implements Statement {
    @Override
    public Flow run(Scope scope, TextBuilder out) {
      TextBuilder text = new TextBuilder();
      Scope inner = scope.child();
      Flow flow = body.run(inner, text);
      if (flow != Flow.NEXT) {
        return flow;
      }
      inner.set(Hole.NAME, text.toText());
      Object value = filtered.evaluate(inner);
      if (target.isPresent()) {
        target.get().assign(scope, value);
      } else {
        out.appendPiece(value);
      }
      return Flow.NEXT;
    }
  }

  /** The text that a filter block captured. */
  record Hole() implements Expression {
    static final String NAME = " captured".intern();

    @Override
    public Object evaluate(Scope scope) {
      Object text = scope.find(NAME);
      return text == null ? Text.EMPTY : text;
    }
  }

  record With(List<Target> targets, List<Expression> values, Statement body) implements Statement {
    @Override
    public Flow run(Scope scope, TextBuilder out) {
      Scope inner = scope.child();
      List<Object> evaluated = new ArrayList<>();
      values.forEach(value -> evaluated.add(value.evaluate(scope)));
      for (int i = 0; i < targets.size(); i++) {
        targets.get(i).assign(inner, evaluated.get(i));
      }
      return body.run(inner, out);
    }
  }

  /** {@code {% generation %}}: the assistant's own text, transformers' mark for the loss. */
  record Generation(Statement body) implements Statement {
    @Override
    public Flow run(Scope scope, TextBuilder out) {
      out.generated(() -> body.run(scope.child(), out));
      return Flow.NEXT;
    }
  }

  record MacroDefinition(String name, Macro.Signature signature, Statement body)
      implements Statement {
    @Override
    public Flow run(Scope scope, TextBuilder out) {
      scope.set(name, new Macro(name, signature, body, scope));
      return Flow.NEXT;
    }
  }

  record CallBlock(Call call, Macro.Signature signature, Statement body) implements Statement {
    @Override
    public Flow run(Scope scope, TextBuilder out) {
      Macro caller = new Macro("caller", signature, body, scope);
      out.appendPiece(call.evaluate(scope, caller));
      return Flow.NEXT;
    }
  }

  record For(
      Target target,
      Expression iterable,
      Optional<Expression> test,
      Statement body,
      Statement otherwise,
      boolean recursive)
      implements Statement {
    private static final String LOOP = "loop";

    @Override
    public Flow run(Scope scope, TextBuilder out) {
      return loop(scope, iterable.evaluate(scope), 0, out);
    }

    /** {@code loop(items)} of a recursive loop. */
    Text recurse(Scope scope, Object items, int depth) {
      TextBuilder out = new TextBuilder();
      scope.run.enter();
      loop(scope, items, depth, out);
      scope.run.leave();
      return out.toText();
    }

    private Flow loop(Scope scope, Object items, int depth, TextBuilder out) {
      Object filtered = test.isEmpty() ? items : filtered(scope, items, test.get());
      LoopContext loop = new LoopContext(this, scope, filtered, depth);
      boolean any = false;
      while (loop.advance()) {
        any = true;
        scope.run.step();
        Scope inner = scope.child();
        inner.set(LOOP, loop);
        target.assign(inner, loop.current());
        if (body.run(inner, out) == Flow.BREAK) {
          return Flow.NEXT;
        }
      }
      return any ? Flow.NEXT : otherwise.run(scope.child(), out);
    }

    /** Tested one by one as the loop goes: its body may change what the test sees. */
    private PyIterator filtered(Scope scope, Object items, Expression condition) {
      Iterator<Object> all = Operators.iterate(items);
      return new PyIterator(
          "loop filter",
          new Iterator<>() {
            private @Nullable Object next;

            @Override
            public boolean hasNext() {
              while (next == null && all.hasNext()) {
                scope.run.step();
                Object item = all.next();
                Scope inner = scope.child();
                target.assign(inner, item);
                next = Operators.truth(condition.evaluate(inner)) ? item : null;
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
  }
}
