package org.sparkfinetune.data.template;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Optional;
import org.sparkfinetune.errors.Bug;

/** Templates that come with this program: Jinja files like those that come with models. */
public enum BuiltInTemplates {
  /** Turns marked in words ({@code Human:}, {@code Assistant:}); needs no special token but EOS. */
  REFERENCE,
  /** Llama 3's own. Its special tokens are untrained in the base models. */
  LLAMA3,
  /** {@code <|im_start|>} and {@code <|im_end|>}, as Qwen and others use it. */
  CHATML;

  /** The word in a configuration. */
  public String text() {
    return name().toLowerCase(Locale.ROOT);
  }

  public static Optional<BuiltInTemplates> withText(String text) {
    for (BuiltInTemplates template : values()) {
      if (template.text().equals(text)) {
        return Optional.of(template);
      }
    }
    return Optional.empty();
  }

  public ChatTemplate template() {
    String file = text() + ".jinja";
    try (InputStream in = BuiltInTemplates.class.getResourceAsStream(file)) {
      if (in == null) {
        throw new Bug("The template " + file + " is missing from the jar.");
      }
      return ChatTemplate.of(text(), new String(in.readAllBytes(), StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new Bug("The template " + file + " cannot be read from the jar.", e);
    }
  }
}
