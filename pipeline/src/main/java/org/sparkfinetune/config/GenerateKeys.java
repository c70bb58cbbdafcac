package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.errors.UserError;

/** The keys of {@code generate}. */
final class GenerateKeys {
  static final Key<Optional<String>> PROMPT =
      Key.optional("prompt", KeyTypes.text("a text"), "a text to continue, as it is");
  static final Key<Optional<String>> MESSAGES =
      Key.optional(
          "messages",
          KeyTypes.json("a JSON list of {role, content}, or a text for one user message"),
          "a conversation to answer: JSON list of {role, content}, or a text for one user message");
  static final Key<Optional<String>> SYSTEM =
      Key.optional("system", KeyTypes.text("a text"), "system message for messages and chat");
  static final Key<Boolean> CHAT =
      Key.of("chat", KeyTypes.bool(), false, "converse at the terminal; an empty line ends it");
  static final Key<Optional<String>> INPUT =
      Key.optional(
          "input",
          KeyTypes.path(),
          "Parquet or JSON lines whose rows are answered on all executors");
  static final Key<String> COLUMN =
      Key.of(
          "column",
          KeyTypes.text("a column"),
          "messages",
          "column of input: texts to continue, or messages {role, content} to answer");
  static final Key<Optional<String>> OUTPUT =
      Key.optional("output", KeyTypes.path(), "with input: the folder to write, as Parquet");

  static final KeyTable TABLE = new KeyTable("generate", keys());

  private GenerateKeys() {}

  private static List<Key<?>> keys() {
    List<Key<?>> keys = new ArrayList<>(DecodingKeys.MODEL);
    keys.addAll(List.of(PROMPT, MESSAGES, SYSTEM, CHAT, INPUT, COLUMN, OUTPUT));
    keys.addAll(DecodingKeys.SAMPLING);
    return keys;
  }

  static GenerateConfig assemble(Values values) {
    return new GenerateConfig(
        DecodingKeys.model(values), task(values), DecodingKeys.sampling(values));
  }

  private static GenerateConfig.Task task(Values values) {
    List<GenerateConfig.Task> tasks = new ArrayList<>();
    values.of(PROMPT).ifPresent(text -> tasks.add(new GenerateConfig.Continue(text)));
    values
        .of(MESSAGES)
        .ifPresent(text -> tasks.add(new GenerateConfig.Answer(text, values.of(SYSTEM))));
    if (values.of(CHAT)) {
      tasks.add(new GenerateConfig.Chat(values.of(SYSTEM)));
    }
    values.of(INPUT).ifPresent(input -> tasks.add(batch(values, input)));
    if (tasks.size() != 1) {
      throw new UserError(
          "generate takes one of prompt, messages, chat and input, and %s were given."
              .formatted(tasks.size()));
    }
    return tasks.get(0);
  }

  private static GenerateConfig.Batch batch(Values values, String input) {
    String output =
        values
            .of(OUTPUT)
            .orElseThrow(
                () ->
                    new UserError(
                        "input is %s, but output is missing: name the folder for the answers."
                            .formatted(input)));
    return new GenerateConfig.Batch(input, values.of(COLUMN), output);
  }
}
