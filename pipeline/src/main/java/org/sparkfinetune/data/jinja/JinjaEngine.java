package org.sparkfinetune.data.jinja;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.filter.Filter;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import jinjava.javax.el.CompositeELResolver;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.jinja.ChatTemplate.AddGenerationPrompt;
import org.sparkfinetune.data.jinja.ChatTemplate.SpecialTokens;
import org.sparkfinetune.errors.UserError;

/**
 * jinjava, set up as transformers sets up Jinja for chat templates. Nested interpretation is off:
 * it would run a message that contains <code>{{ … }}</code> as a template.
 */
final class JinjaEngine {
  /** Whether the borders of generated text are marked in the output. */
  enum Marking {
    OFF,
    ON
  }

  private final String name;
  private final String source;
  private final LocalDateTime now;
  private final Jinjava jinjava = newJinjava();

  JinjaEngine(String name, String source, LocalDateTime now) {
    this.name = name;
    this.source = WhitespaceControl.apply(source);
    this.now = now;
  }

  private static Jinjava newJinjava() {
    CompositeELResolver resolver = new CompositeELResolver();
    resolver.add(new PythonStrings());
    resolver.add(JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY);
    Jinjava jinjava =
        new Jinjava(
            JinjavaConfig.newBuilder()
                .withTrimBlocks(false)
                .withLstripBlocks(false)
                .withNestedInterpretationEnabled(false)
                .withElResolver(resolver)
                .build());
    jinjava.registerFunction(function("raise_exception", "raiseException"));
    jinjava.registerFunction(function("strftime_now", "strftimeNow"));
    jinjava.registerTag(new GenerationBlock());
    jinjava.registerFilter(new PythonTrim());
    return jinjava;
  }

  private static ELFunctionDefinition function(String name, String method) {
    return new ELFunctionDefinition("", name, TemplateFunctions.class, method, Object.class);
  }

  /** Python's idea of what a space is; jinjava's own takes Java's. */
  private static final class PythonTrim implements Filter {
    @Override
    public String getName() {
      return "trim";
    }

    @Override
    public @Nullable Object filter(
        @Nullable Object value, JinjavaInterpreter interpreter, String... arguments) {
      return value == null ? "" : PythonStrings.strip(value.toString());
    }
  }

  boolean knowsFilter(String filter) {
    return jinjava.getGlobalContext().getFilter(filter) != null;
  }

  String render(
      List<Message> messages, SpecialTokens tokens, AddGenerationPrompt prompt, Marking marking) {
    Map<String, @Nullable Object> variables = new HashMap<>();
    List<Map<String, Object>> asMaps = new ArrayList<>(messages.size());
    for (Message message : messages) {
      Map<String, Object> map = new LinkedHashMap<>();
      map.put("role", message.role().text());
      map.put("content", message.content());
      asMaps.add(map);
    }
    variables.put("messages", asMaps);
    variables.put("add_generation_prompt", prompt == AddGenerationPrompt.YES);
    tokens.bos().ifPresent(bos -> variables.put("bos_token", bos));
    tokens.eos().ifPresent(eos -> variables.put("eos_token", eos));
    variables.put(TemplateFunctions.NOW, now);
    // Templates ask `strftime_now is defined`, and a function alone is not, for jinjava.
    variables.put("strftime_now", "function");
    variables.put("raise_exception", "function");
    variables.put(GenerationBlock.MARKED, marking == Marking.ON);
    RenderResult result = jinjava.renderForResult(source, variables);
    if (!result.getErrors().isEmpty()) {
      throw error(result.getErrors().get(0));
    }
    return result.getOutput();
  }

  private UserError error(TemplateError error) {
    Optional<String> raised = raised(error.getException());
    String where = error.getLineno() > 0 ? ", line " + error.getLineno() : "";
    String message =
        raised
            .map(
                text ->
                    "The chat template '%s'%s refuses the conversation: %s"
                        .formatted(name, where, text))
            .orElseGet(
                () ->
                    "The chat template '%s'%s cannot be rendered: %s"
                        .formatted(name, where, error.getMessage()));
    return new UserError(message + ". Change the conversation or name another chat_template.");
  }

  private static Optional<String> raised(@Nullable Throwable error) {
    int depth = 0;
    for (Throwable cause = error; cause != null && depth < 20; cause = cause.getCause()) {
      if (cause instanceof TemplateFunctions.Raised) {
        return Optional.of(String.valueOf(cause.getMessage()));
      }
      depth++;
    }
    return Optional.empty();
  }

  /**
   * {@code {% generation %}…{% endgeneration %}}: the assistant's own text, transformers' marker.
   */
  static final class GenerationBlock implements Tag {
    private static final long serialVersionUID = 1L;

    /** Context variable that is true when borders are to be marked. */
    static final String MARKED = "__marked";

    @Override
    public String getName() {
      return "generation";
    }

    @Override
    public String interpret(TagNode tag, JinjavaInterpreter interpreter) {
      StringBuilder text = new StringBuilder();
      for (Node child : tag.getChildren()) {
        text.append(child.render(interpreter).getValue());
      }
      boolean marked = Boolean.TRUE.equals(interpreter.getContext().get(MARKED));
      return marked
          ? ContentMarkers.GENERATION + text.toString() + ContentMarkers.END_GENERATION
          : text.toString();
    }
  }
}
