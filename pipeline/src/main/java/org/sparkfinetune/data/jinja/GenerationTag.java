package org.sparkfinetune.data.jinja;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;

/** {@code {% generation %}…{% endgeneration %}}: the assistant's own text, transformers' marker. */
final class GenerationTag implements Tag {
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
    return marked ? Marks.GENERATION + text.toString() + Marks.END_GENERATION : text.toString();
  }
}
