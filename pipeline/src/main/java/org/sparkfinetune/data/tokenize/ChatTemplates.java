package org.sparkfinetune.data.tokenize;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.data.template.BuiltInTemplates;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/** The meaning of the key {@code chat_template}. */
public final class ChatTemplates {
  private static final String TOKENIZER = "tokenizer";
  private static final String NAMED = TOKENIZER + ":";

  private ChatTemplates() {}

  /**
   * @param choice a built-in's name, {@code tokenizer} (or {@code tokenizer:NAME} of several), a
   *     file, or the template itself; empty: the tokenizer's own if it has one, else {@code
   *     reference}
   * @throws UserError if there is no such template
   */
  public static ChatTemplate choose(Optional<String> choice, TokenizerFiles files, Store store) {
    if (choice.isEmpty()) {
      return files
          .chatTemplate()
          .map(source -> ChatTemplate.of(TOKENIZER, source))
          .orElseGet(BuiltInTemplates.REFERENCE::template);
    }
    String name = choice.get();
    if (name.equals(TOKENIZER)) {
      return ChatTemplate.of(TOKENIZER, files.chatTemplate().orElseThrow(() -> none(files)));
    }
    if (name.startsWith(NAMED)) {
      return ChatTemplate.of(name, files.chatTemplate(name.substring(NAMED.length())));
    }
    if (name.contains("{{") || name.contains("{%")) {
      return ChatTemplate.of("in the configuration", name);
    }
    return BuiltInTemplates.withText(name)
        .map(BuiltInTemplates::template)
        .orElseGet(() -> ChatTemplate.of(name, read(name, store)));
  }

  private static UserError none(TokenizerFiles files) {
    return new UserError(
        "chat_template: 'tokenizer', but the tokenizer in '%s' has no chat template. Allowed: %s, or a file."
            .formatted(files.folder(), builtIn()));
  }

  private static String builtIn() {
    return String.join(", ", Arrays.stream(BuiltInTemplates.values()).map(t -> t.text()).toList());
  }

  private static String read(String file, Store store) {
    Path path = new Path(file);
    try (InputStream in = store.fileSystem(path).open(path)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UserError(
          "chat_template: '%s' is neither one of %s, tokenizer nor a readable file (%s)."
              .formatted(file, builtIn(), e.getMessage()),
          e);
    }
  }
}
