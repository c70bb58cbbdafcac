package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.errors.UserError;

/** Everything that {@code generate} was asked for. */
public record GenerateConfig(ModelChoice model, Task task, Sampling sampling) {

  static GenerateConfig of(Values values) {
    return new GenerateConfig(
        values.record(ModelChoice.class),
        values.record(Keys.class).task(),
        values.record(Sampling.class));
  }

  /** What to generate for. */
  public sealed interface Task {}

  /** Goes on with a text as it is. */
  public record Continue(String prompt) implements Task {}

  /**
   * Answers a conversation.
   *
   * @param messages a JSON list of {role, content}, or one user message
   * @param tools a file with a JSON list of the tools that the assistant may call
   * @param documents a file with a JSON list of {title, text}, for templates that take documents
   */
  public record Answer(
      String messages, Optional<String> system, Optional<String> tools, Optional<String> documents)
      implements Task {}

  /** Converses at the terminal. */
  public record Chat(Optional<String> system) implements Task {}

  /** Answers rows on all executors. */
  public record Batch(String input, String column, String output, CsvFormat csv) implements Task {}

  /** The keys that say which task. */
  record Keys(
      @Key(doc = "a text to continue, as it is") Optional<String> prompt,
      @Key(
              meaning = Meaning.JSON,
              allowed = "a JSON list of {role, content}, or a text for one user message",
              doc =
                  "a conversation to answer: JSON list of {role, content}, or a text for one user"
                      + " message")
          Optional<String> messages,
      @Key(doc = "system message for messages and chat") Optional<String> system,
      @Key(
              meaning = Meaning.PATH,
              doc = "with messages: a JSON file, the list of tools that the model may call")
          Optional<String> tools,
      @Key(
              meaning = Meaning.PATH,
              doc = "with messages: a JSON file, the list of {title, text} for the template")
          Optional<String> documents,
      @Key(otherwise = "false", doc = "converse at the terminal; an empty line ends it")
          boolean chat,
      @Key(
              meaning = Meaning.PATH,
              doc = "Parquet, JSON or CSV whose rows are answered on all executors")
          Optional<String> input,
      @Key(
              otherwise = "messages",
              allowed = "a column",
              doc = "column of input: texts to continue, or messages {role, content} to answer")
          String column,
      @Key(meaning = Meaning.PATH, doc = "with input: the folder to write, as Parquet")
          Optional<String> output,
      CsvFormat csv) {

    Task task() {
      List<Task> tasks = new ArrayList<>();
      prompt.ifPresent(text -> tasks.add(new Continue(text)));
      messages.ifPresent(text -> tasks.add(new Answer(text, system, tools, documents)));
      if (chat) {
        tasks.add(new Chat(system));
      }
      input.ifPresent(rows -> tasks.add(new Batch(rows, column, outputOf(rows), csv)));
      if (tasks.size() != 1) {
        throw new UserError(
            "generate takes one of prompt, messages, chat and input, and %s were given."
                .formatted(tasks.size()));
      }
      return tasks.get(0);
    }

    private String outputOf(String rows) {
      return output.orElseThrow(
          () ->
              new UserError(
                  "input is %s, but output is missing: name the folder for the answers."
                      .formatted(rows)));
    }
  }
}
