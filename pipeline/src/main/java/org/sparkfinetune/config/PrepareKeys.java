package org.sparkfinetune.config;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The keys of {@code prepare}. */
final class PrepareKeys {

  private static final String INPUT_ALLOWED = "a path, a glob, a list of them, or hub:owner/name";
  private static final String TEMPLATE_ALLOWED =
      "a mapping with the keys user and assistant, and system if wanted, each a text with columns"
          + " in braces";

  static final Key<DatasetKind> DATASET =
      Key.required("dataset", KeyTypes.choice(DatasetKind.class), "the converter of the rows");
  static final Key<List<String>> INPUT =
      Key.required("input", KeyTypes.texts(INPUT_ALLOWED), INPUT_ALLOWED);
  static final Key<String> OUTPUT =
      Key.required("output", KeyTypes.text("a path or a Hadoop URI"), "the folder to write");
  static final Key<Optional<List<String>>> TEST_INPUT =
      Key.optional(
          "test_input", KeyTypes.texts(INPUT_ALLOWED), "a ready test split; then no test_size");
  static final Key<Long> SEED = Key.of("seed", KeyTypes.longInteger(0), 42L, "seed of the shuffle");
  static final Key<Optional<Long>> NUM_SAMPLES =
      Key.optional("num_samples", KeyTypes.longInteger(1), "rows to take; without it all");
  static final Key<Optional<TestSize>> TEST_SIZE =
      Key.optional(
          "test_size",
          KeyTypes.testSize(),
          "rows or fraction for the test split; without it and test_input 0.2");
  static final Key<Optional<String>> SYSTEM_MESSAGE =
      Key.optional(
          "system_message", KeyTypes.text("a text"), "replaces the converter's system message");
  static final Key<Optional<Map<String, String>>> TEMPLATE =
      Key.optional(
          "template",
          KeyTypes.textMap(TEMPLATE_ALLOWED).only(TEMPLATE_ALLOWED, PrepareKeys::hasRoles),
          "columns into messages: a text for each role");
  static final Key<Optional<String>> STRATIFY_BY =
      Key.optional(
          "stratify_by", KeyTypes.text("a column"), "keep a column's shares in both splits");
  static final Key<Boolean> DEDUPLICATE =
      Key.of("deduplicate", KeyTypes.bool(), false, "drop repeated conversations");
  static final Key<Set<OutputFormat>> FORMATS =
      Key.of(
          "formats",
          KeyTypes.choices(OutputFormat.class),
          Set.of(OutputFormat.values()),
          "what to write");
  static final Key<Double> MAX_REJECTED =
      Key.of(
          "max_rejected",
          KeyTypes.number(Range.between(0, 1)),
          0.01,
          "fraction of rows that may be rejected before the job fails");
  static final Key<Boolean> OVERWRITE =
      Key.of("overwrite", KeyTypes.bool(), false, "replace an existing output");
  static final Key<Optional<String>> TOKENIZER =
      Key.optional(
          "tokenizer",
          KeyTypes.text("a folder, a Hadoop URI or a hub id (owner/name)"),
          "counts tokens in the report");
  static final Key<Optional<String>> CHAT_TEMPLATE =
      Key.optional(
          "chat_template",
          KeyTypes.chatTemplate(),
          "that of the training to come, for the report; without it the tokenizer's, if it has one,"
              + " else reference");
  static final Key<Optional<Integer>> MAX_SEQ_LENGTH =
      Key.optional(
              "max_seq_length",
              KeyTypes.integer(2),
              "that of the training to come, for the report; with a tokenizer 512")
          .alias("max_seq_len");

  static final KeyTable TABLE =
      new KeyTable(
          "prepare",
          List.of(
              DATASET,
              INPUT,
              TEST_INPUT,
              OUTPUT,
              SEED,
              NUM_SAMPLES,
              TEST_SIZE,
              SYSTEM_MESSAGE,
              TEMPLATE,
              STRATIFY_BY,
              DEDUPLICATE,
              FORMATS,
              MAX_REJECTED,
              OVERWRITE,
              TOKENIZER,
              CHAT_TEMPLATE,
              MAX_SEQ_LENGTH));

  private PrepareKeys() {}

  private static boolean hasRoles(Map<String, String> template) {
    return Set.of("system", "user", "assistant").containsAll(template.keySet())
        && template.keySet().containsAll(Set.of("user", "assistant"));
  }
}
