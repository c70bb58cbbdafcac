package org.sparkfinetune.data.jinja;

import java.time.LocalDateTime;
import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.jinja.TemplateError.Kind;

/**
 * Names that a block of the template sees: its own, then those of the blocks around it. Names are
 * interned, so that looking one up compares no characters.
 */
final class Scope {
  /** What one rendering shares, and the bounds that keep a hostile template from running away. */
  static final class Run {
    static final int MAX_DEPTH = 150;

    final LocalDateTime now;
    private final Map<String, Object> variables;
    private final long maxSteps;
    private long steps = 0;
    private int depth = 0;

    Run(LocalDateTime now, Map<String, Object> variables, long maxSteps) {
      this.now = now;
      this.variables = variables;
      this.maxSteps = maxSteps;
    }

    void step() {
      steps(1);
    }

    void steps(long count) {
      steps += count;
      if (steps > maxSteps) {
        throw new TemplateError(
            Kind.LIMIT, "the template ran for more than " + maxSteps + " steps");
      }
    }

    void enter() {
      step();
      if (++depth > MAX_DEPTH) {
        throw new TemplateError(
            Kind.RECURSION, "macros and loops call one another more than " + MAX_DEPTH + " deep");
      }
    }

    void leave() {
      depth--;
    }
  }

  final Run run;
  private final @Nullable Scope parent;
  private String[] names = new String[4];
  private Object[] values = new Object[4];
  private int size = 0;

  private Scope(Run run, @Nullable Scope parent) {
    this.run = run;
    this.parent = parent;
  }

  static Scope root(Run run) {
    return new Scope(run, null);
  }

  Scope child() {
    return new Scope(run, this);
  }

  /**
   * @param name interned
   */
  @Nullable Object find(String name) {
    Scope scope = this;
    while (scope != null) {
      for (int i = 0; i < scope.size; i++) {
        if (sameName(scope.names[i], name)) {
          return scope.values[i];
        }
      }
      scope = scope.parent;
    }
    Object variable = run.variables.get(name);
    return variable != null ? variable : Functions.GLOBALS.get(name);
  }

  void set(String name, Object value) {
    for (int i = 0; i < size; i++) {
      if (sameName(names[i], name)) {
        values[i] = value;
        return;
      }
    }
    if (size == names.length) {
      names = Arrays.copyOf(names, 2 * size);
      values = Arrays.copyOf(values, 2 * size);
    }
    names[size] = name;
    values[size] = value;
    size++;
  }

  @SuppressWarnings("ReferenceEquality") // interned
  private static boolean sameName(String a, String b) {
    return a == b;
  }
}
