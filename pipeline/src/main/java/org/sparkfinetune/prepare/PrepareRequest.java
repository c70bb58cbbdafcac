package org.sparkfinetune.prepare;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.sparkfinetune.conversation.Converter;
import org.sparkfinetune.conversation.MessageTemplate;
import org.sparkfinetune.conversation.RowShape;
import org.sparkfinetune.errors.UserError;

/**
 * What to prepare. Paths are Hadoop URIs or globs.
 *
 * @param testInput a ready-made test split; then {@code testSize} has no say
 * @param numSamples rows to take for training and test together; all if absent
 * @param template by role, for {@link RowShape#TEMPLATE}
 * @param stratifyBy a column of the input whose shares both splits keep
 * @param deduplicate drops repeats, also those that differ in case, width or white space alone
 * @param maxRejected fraction of the rows that may be rejected
 */
public record PrepareRequest(
    RowShape dataset,
    List<String> input,
    Optional<List<String>> testInput,
    String output,
    long seed,
    OptionalLong numSamples,
    TestSize testSize,
    Optional<String> systemMessage,
    Optional<Map<String, String>> template,
    Optional<String> stratifyBy,
    boolean deduplicate,
    Set<OutputFormat> formats,
    double maxRejected,
    boolean overwrite) {
  public PrepareRequest {
    input = List.copyOf(input);
    testInput = testInput.map(List::copyOf);
    formats = Set.copyOf(formats);
    if (input.isEmpty()) {
      throw new UserError("input: empty. Name at least one file, folder or glob.");
    }
    if (testInput.isPresent() && testInput.get().isEmpty()) {
      throw new UserError("test_input: empty. Name at least one file, or leave the key out.");
    }
    if (output.isBlank()) {
      throw new UserError("output: empty. Name the folder to write.");
    }
    if (numSamples.isPresent() && numSamples.getAsLong() < 1) {
      throw new UserError(
          "num_samples: %d. At least 1 is needed, or leave the key out to take all rows."
              .formatted(numSamples.getAsLong()));
    }
    if (formats.isEmpty()) {
      throw new UserError("formats: empty. Allowed: parquet, json, or both.");
    }
    if (!(maxRejected >= 0 && maxRejected <= 1)) {
      throw new UserError(
          "max_rejected: %s is not a fraction between 0 and 1.".formatted(maxRejected));
    }
    if (testInput.isPresent() && stratifyBy.isPresent()) {
      throw new UserError(
          "stratify_by: has nothing to split when test_input names a ready test split. Remove one"
              + " of them.");
    }
  }

  /** The converter that these settings ask for. */
  Converter converter() {
    return dataset.converter(systemMessage, template.map(MessageTemplate::new));
  }

  /**
   * Whether JSON lines write non-ASCII characters as {@code \\uXXXX}: the reference's SQL recipe
   * does, its no_robots recipe does not, and neither do we elsewhere.
   */
  Escaping escaping() {
    return dataset == RowShape.SQL_CREATE_CONTEXT ? Escaping.ASCII_ONLY : Escaping.UTF8;
  }
}
