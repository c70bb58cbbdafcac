package org.sparkfinetune.config;

import java.util.Optional;

/** Everything that {@code generate} was asked for. */
public record GenerateConfig(ModelChoice model, Task task, Sampling sampling) {

  /** What to generate for. */
  public sealed interface Task {}

  /** Goes on with a text as it is. */
  public record Continue(String prompt) implements Task {}

  /**
   * Answers a conversation.
   *
   * @param messages a JSON list of {role, content}, or one user message
   */
  public record Answer(String messages, Optional<String> system) implements Task {}

  /** Converses at the terminal. */
  public record Chat(Optional<String> system) implements Task {}

  /** Answers rows on all executors. */
  public record Batch(String input, String column, String output) implements Task {}
}
