package org.sparkfinetune.data.jinja;

import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.jinja.Statements.Statement;
import org.sparkfinetune.data.jinja.TemplateError.Kind;

/**
 * A parsed template. Rendering gives the text that Python's jinja2 3.1 gives in the environment of
 * transformers' {@code apply_chat_template}. Immutable, so several threads may share one.
 */
public final class Template {
  /** Some hundred times what the longest conversation takes. */
  private static final long MAX_STEPS = 20_000_000;

  private final Statement body;
  private final boolean marksGenerated;

  private Template(Statement body, boolean marksGenerated) {
    this.body = body;
    this.marksGenerated = marksGenerated;
  }

  /**
   * @throws TemplateError of kind {@code SYNTAX} or {@code ASSERTION}, with the line
   */
  public static Template parse(String source) {
    try {
      Parser parser = new Parser(source);
      Statement body = parser.template();
      return new Template(body, parser.marksGenerated());
    } catch (StackOverflowError e) {
      throw new TemplateError(Kind.RECURSION, "the template is nested too deeply");
    }
  }

  /** Whether the template has a {@code {% generation %}} block. */
  public boolean marksGenerated() {
    return marksGenerated;
  }

  /**
   * @param variables maps, lists, strings, numbers, booleans, null, and {@link Text#traced} strings
   * @param now what {@code strftime_now} tells
   * @throws TemplateError as Python would throw it
   */
  public Rendering render(Map<String, ? extends @Nullable Object> variables, LocalDateTime now) {
    Map<String, Object> values = new HashMap<>();
    variables.forEach((name, value) -> values.put(name, Values.of(value)));
    TextBuilder out = new TextBuilder();
    try {
      body.run(Scope.root(new Scope.Run(now, values, MAX_STEPS)), out);
    } catch (StackOverflowError e) {
      throw new TemplateError(Kind.RECURSION, "the template calls itself too deeply");
    }
    return Rendering.of(out.toText());
  }

  /**
   * What a template wrote.
   *
   * @param sources where traced texts went, in the order of the text
   * @param generated the text inside {@code {% generation %}} blocks
   */
  public record Rendering(String text, List<Source> sources, List<Source> generated) {
    /**
     * Characters {@code [from, to)} in UTF-16 units.
     *
     * @param source the number that {@link Text#traced} was given
     * @param offset where in that text they stand; -1 if they were made out of it by more than
     *     copying
     */
    public record Source(int from, int to, int source, int offset) {
      public boolean isCopy() {
        return offset != Text.CHANGED;
      }
    }

    private static Rendering of(Text text) {
      List<Source> sources = new ArrayList<>();
      List<Source> generated = new ArrayList<>();
      int[] runs = text.runs();
      for (int i = 0; i < runs.length; i += Text.RUN) {
        Source source = new Source(runs[i], runs[i + 1], runs[i + 2], runs[i + 3]);
        (source.source() == Text.GENERATED ? generated : sources).add(source);
      }
      return new Rendering(text.toString(), sources, generated);
    }
  }
}
