package org.sparkfinetune.config;

import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Pattern;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;
import org.sparkfinetune.errors.UserError;

/**
 * One part of a mixture: where its rows are, how they become conversations, and how many are taken.
 *
 * @param name in the column {@code source}, in {@code eval_loss/NAME} and in reports
 * @param input empty beside {@code sql}, or where the options of a format say all
 * @param template role to text, in the order written; present exactly for {@link
 *     DatasetKind#TEMPLATE}
 * @param weight its share, in proportion to the other weights; without it, and without {@code
 *     numSamples}, all rows are taken
 */
public record Source(
    @Key(
            allowed = "a name of letters, digits, dots, dashes and underscores, 64 at most",
            doc = "what its conversations and their loss are called by")
        String name,
    @Key(doc = "the converter of its rows") DatasetKind dataset,
    @Key(otherwise = Key.EMPTY, meaning = Meaning.PATH_AS_WRITTEN, allowed = INPUT, doc = INPUT)
        List<String> input,
    @Key(doc = "replaces the converter's system message") Optional<String> systemMessage,
    @Key(
            allowed = TEMPLATE,
            fields = {"user", "assistant", "system?"},
            doc = "columns into messages: a text for each role")
        Optional<Map<String, String>> template,
    @Key(
            range = "[0.000001,1000000]",
            doc = "its share of the rows, in proportion to the other weights")
        Optional<Double> weight,
    @Key(doc = "exactly so many rows of it") OptionalLong numSamples,
    CsvFormat csv,
    SparkSource source) {

  static final String INPUT =
      "a path, a glob, a list of them, hub:owner/name, or table:catalog.database.name";
  static final String TEMPLATE =
      "a mapping with the keys user and assistant, and system if wanted, each a text with"
          + " columns in braces";

  private static final int MOST = 100;
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

  public Source {
    KeyTable.check(Source.class, name, dataset, input, systemMessage, template, weight, numSamples);
    input = List.copyOf(input);
    template = template.map(texts -> Collections.unmodifiableMap(new LinkedHashMap<>(texts)));
    if (!NAME.matcher(name).matches()) {
      throw new UserError(
          "name is %s; allowed: letters, digits, dots, dashes and underscores, 64 at most"
              .formatted(name));
    }
    if (template.isPresent() != (dataset == DatasetKind.TEMPLATE)) {
      throw new UserError(
          "dataset is %s and template is %s; dataset: template needs a template, the others take none"
              .formatted(dataset.text(), template.isPresent() ? "given" : "missing"));
    }
    if (weight.isPresent() && numSamples.isPresent()) {
      throw new UserError(
          "weight is %s, and num_samples is %s too; keep one of the two"
              .formatted(weight.get(), numSamples.getAsLong()));
    }
    source.checkInput(input);
  }

  /**
   * @throws UserError if two have one name
   */
  static void checkNames(List<Source> sources) {
    Set<String> names = new HashSet<>();
    for (Source source : sources) {
      if (!names.add(source.name())) {
        throw new UserError(
            "sources has two of the name %s; give each its own".formatted(source.name()));
      }
    }
    if (sources.size() > MOST) {
      throw new UserError(
          "sources has %s entries; at most %s can be mixed: put files of one kind into one source"
              .formatted(sources.size(), MOST));
    }
  }
}
