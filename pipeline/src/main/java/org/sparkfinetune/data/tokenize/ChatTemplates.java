package org.sparkfinetune.data.tokenize;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.data.template.BuiltInTemplates;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/** The meaning of the key {@code chat_template}. */
public final class ChatTemplates {
  private static final String TOKENIZER = "tokenizer";
  private static final String NAMED = TOKENIZER + ":";
  private static final String TOOL_USE = "tool_use";
  private static final Logger LOG = LoggerFactory.getLogger(ChatTemplates.class);

  private ChatTemplates() {}

  /**
   * @param choice a built-in's name, {@code tokenizer} (or {@code tokenizer:NAME} of several), a
   *     file, or the template itself; empty: the tokenizer's own if it has one, else {@code
   *     reference}. Of the tokenizer's own, conversations with tools get {@code tool_use}, if there
   *     is one, as transformers does
   * @throws UserError if there is no such template
   */
  public static ChatTemplate choose(Optional<String> choice, TokenizerFiles files, Store store) {
    String name = choice.orElse(TOKENIZER);
    if (choice.isEmpty() && files.chatTemplates().isEmpty()) {
      return BuiltInTemplates.REFERENCE.template();
    }
    if (name.equals(TOKENIZER)) {
      return own(files);
    }
    if (name.startsWith(NAMED)) {
      return ChatTemplate.of(name, named(name.substring(NAMED.length()), files));
    }
    if (name.contains("{{") || name.contains("{%")) {
      return ChatTemplate.of("in the configuration", name);
    }
    return BuiltInTemplates.withText(name)
        .map(BuiltInTemplates::template)
        .orElseGet(() -> ChatTemplate.of(name, read(name, store)));
  }

  private static ChatTemplate own(TokenizerFiles files) {
    Map<String, String> templates = files.chatTemplates();
    if (templates.isEmpty()) {
      throw none(files);
    }
    String source = named(TokenizerFiles.DEFAULT_TEMPLATE, files);
    ChatTemplate template = ChatTemplate.of(TOKENIZER, source);
    String toolUse = templates.get(TOOL_USE);
    if (templates.size() > 1) {
      LOG.info(
          "The tokenizer in {} has the chat templates {}. Taken: default{}.",
          files.folder(),
          String.join(", ", templates.keySet()),
          toolUse == null ? "" : ", and tool_use for conversations with tools");
    }
    return toolUse == null
        ? template
        : template.withTools(ChatTemplate.of(NAMED + TOOL_USE, toolUse));
  }

  private static String named(String name, TokenizerFiles files) {
    Map<String, String> templates = files.chatTemplates();
    String source = templates.get(name);
    if (source == null) {
      throw new UserError(
          "The tokenizer in '%s' has no chat template named '%s', but %s. Name one of these as chat_template: tokenizer:NAME, or save the one you want to a file and name that."
              .formatted(files.folder(), name, templates.keySet()));
    }
    return source;
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
