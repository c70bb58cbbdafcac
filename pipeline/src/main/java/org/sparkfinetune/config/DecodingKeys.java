package org.sparkfinetune.config;

import java.util.List;
import java.util.Optional;

/** Keys that {@code generate}, {@code evaluate} and {@code merge} share; transformers' names. */
final class DecodingKeys {
  static final Key<String> MODEL_ID =
      Key.required("model_id", KeyTypes.model(), "base model: folder, Hadoop URI or hub id")
          .alias("model_name_or_path");
  static final Key<Optional<String>> ADAPTER =
      Key.optional("adapter", KeyTypes.model(), "PEFT adapter, ours or PEFT's own");
  static final Key<Optional<MergeBase>> BASE =
      Key.optional(
          "base",
          KeyTypes.choice(MergeBase.class),
          "the base's linears: 16bit as stored, or dequantized from NF4; without it what the"
              + " adapter was trained on, if its run folder says so, else 16bit");
  static final Key<Optional<String>> TOKENIZER =
      Key.optional("tokenizer", KeyTypes.model(), "another tokenizer than the model's");
  static final Key<Optional<String>> CHAT_TEMPLATE =
      Key.optional(
          "chat_template",
          KeyTypes.chatTemplate(),
          "reference, llama3, chatml, tokenizer, or a file; without it that of the adapter's run"
              + " folder, else the tokenizer's, else reference");

  static final Key<Boolean> DO_SAMPLE =
      Key.of("do_sample", KeyTypes.bool(), false, "draw tokens; false: the most likely one");
  static final Key<Double> TEMPERATURE =
      Key.of(
          "temperature",
          KeyTypes.number(Range.above(0)),
          0.6,
          "with do_sample: below 1 sharper, above 1 flatter");
  static final Key<Double> TOP_P =
      Key.of(
          "top_p",
          KeyTypes.number(Range.aboveTo(0, 1)),
          0.9,
          "with do_sample: the likeliest tokens that make up this share");
  static final Key<Integer> TOP_K =
      Key.of("top_k", KeyTypes.integer(0), 0, "with do_sample: so many likeliest tokens; 0: all");
  static final Key<Double> REPETITION_PENALTY =
      Key.of(
          "repetition_penalty",
          KeyTypes.number(Range.above(0)),
          1.0,
          "above 1: tokens seen before are less likely");
  static final Key<Integer> MAX_NEW_TOKENS =
      Key.of("max_new_tokens", KeyTypes.integer(1), 512, "at most so many tokens an answer");
  static final Key<List<String>> STOP =
      Key.of(
          "stop",
          KeyTypes.listOfTexts("texts that end an answer"),
          List.of(),
          "texts that end an answer, beside the end-of-text and end-of-turn tokens");
  static final Key<Long> SEED = Key.of("seed", KeyTypes.longInteger(0), 42L, "with do_sample");
  static final Key<Integer> BATCH_SIZE =
      Key.of("batch_size", KeyTypes.integer(1), 8, "answers that a task decodes together");

  static final List<Key<?>> SAMPLING =
      List.of(
          MAX_NEW_TOKENS,
          DO_SAMPLE,
          TEMPERATURE,
          TOP_P,
          TOP_K,
          REPETITION_PENALTY,
          STOP,
          SEED,
          BATCH_SIZE);

  static final List<Key<?>> MODEL = List.of(MODEL_ID, ADAPTER, BASE, TOKENIZER, CHAT_TEMPLATE);

  private DecodingKeys() {}

  static ModelChoice model(Values values) {
    return new ModelChoice(
        values.of(MODEL_ID),
        values.of(ADAPTER),
        values.of(BASE),
        values.of(TOKENIZER),
        values.of(CHAT_TEMPLATE));
  }

  static Sampling sampling(Values values) {
    return new Sampling(
        values.of(MAX_NEW_TOKENS),
        values.of(DO_SAMPLE),
        values.of(TEMPERATURE),
        values.of(TOP_P),
        values.of(TOP_K),
        values.of(REPETITION_PENALTY),
        values.of(STOP),
        values.of(SEED),
        values.of(BATCH_SIZE));
  }
}
