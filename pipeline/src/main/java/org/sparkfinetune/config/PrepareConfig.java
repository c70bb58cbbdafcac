package org.sparkfinetune.config;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import org.sparkfinetune.errors.UserError;

/**
 * Everything that {@code prepare} was asked for.
 *
 * @param input paths, globs or {@code hub:owner/name}
 * @param testInput a ready test split; {@code testSize} is then {@code Rows(0)}
 * @param output Hadoop URI of the folder to write
 * @param testSize what to cut off for the test split; {@code Rows(0)}: nothing
 * @param numSamples rows to take; without it all
 * @param systemMessage replaces the converter's
 * @param template role (system, user, assistant) to a text with columns in braces, in the order
 *     written; present exactly for {@link DatasetKind#TEMPLATE}
 * @param maxRejected fraction of rows, from 0 to 1
 * @param tokens what the report counts tokens with; empty: it counts none
 */
public record PrepareConfig(
    DatasetKind dataset,
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
    boolean overwrite,
    Optional<TokenCounting> tokens) {

  public PrepareConfig {
    input = List.copyOf(PrepareKeys.INPUT.check(input));
    testInput = PrepareKeys.TEST_INPUT.check(testInput).map(List::copyOf);
    PrepareKeys.OUTPUT.check(output);
    PrepareKeys.SEED.check(seed);
    numSamples.ifPresent(rows -> PrepareKeys.NUM_SAMPLES.check(Optional.of(rows)));
    PrepareKeys.TEST_SIZE.check(Optional.of(testSize));
    PrepareKeys.SYSTEM_MESSAGE.check(systemMessage);
    template =
        PrepareKeys.TEMPLATE
            .check(template)
            .map(texts -> Collections.unmodifiableMap(new LinkedHashMap<>(texts)));
    PrepareKeys.STRATIFY_BY.check(stratifyBy);
    formats = Collections.unmodifiableSet(new TreeSet<>(PrepareKeys.FORMATS.check(formats)));
    PrepareKeys.MAX_REJECTED.check(maxRejected);
    if (template.isPresent() != (dataset == DatasetKind.TEMPLATE)) {
      throw new UserError(
          "dataset is %s and template is %s; dataset: template needs a template, the others take none"
              .formatted(dataset.text(), template.isPresent() ? "given" : "missing"));
    }
  }
}
