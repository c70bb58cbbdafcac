package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** The keys of {@code evaluate}. */
final class EvaluateKeys {
  static final Key<String> DATASET_PATH =
      Key.required("dataset_path", KeyTypes.path(), "what prepare wrote; its test split is used");
  static final Key<Optional<Integer>> NUM_SAMPLES =
      Key.optional(
          "num_samples", KeyTypes.integer(1), "the first so many of the split; without it all");
  static final Key<Set<Metric>> METRICS =
      Key.of(
          "metrics",
          KeyTypes.choices(Metric.class),
          Set.of(Metric.values()),
          "loss; exact_match (and normalised); execution_match: both queries are run in SQLite");
  static final Key<Boolean> COMPARE_BASE =
      Key.of(
          "compare_base",
          KeyTypes.bool(),
          true,
          "with adapter: measure the base model without it too");
  static final Key<Optional<String>> OUTPUT =
      Key.optional(
          "output",
          KeyTypes.path(),
          "folder for evaluation.json; without it the adapter's run folder, else the current one");

  static final Key<Optional<String>> PROMOTE_TO =
      Key.optional(
          "promote_to",
          KeyTypes.path(),
          "folder of the best adapter so far, replaced by this one if its loss is lower than that"
              + " of the one there (measured on the same samples), else than the base model's");

  static final KeyTable TABLE = new KeyTable("evaluate", keys());

  private EvaluateKeys() {}

  private static List<Key<?>> keys() {
    List<Key<?>> keys = new ArrayList<>(DecodingKeys.MODEL);
    keys.addAll(List.of(DATASET_PATH, NUM_SAMPLES, METRICS, COMPARE_BASE, OUTPUT, PROMOTE_TO));
    keys.addAll(DecodingKeys.SAMPLING);
    return keys;
  }

  static EvaluateConfig assemble(Values values) {
    return new EvaluateConfig(
        DecodingKeys.model(values),
        values.of(DATASET_PATH),
        values.of(NUM_SAMPLES),
        values.of(METRICS),
        values.of(COMPARE_BASE),
        values.of(OUTPUT),
        values.of(PROMOTE_TO),
        DecodingKeys.sampling(values));
  }
}
