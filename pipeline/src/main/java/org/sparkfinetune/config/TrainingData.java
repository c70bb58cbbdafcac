package org.sparkfinetune.config;

import java.util.Optional;
import org.sparkfinetune.config.Key.Meaning;

/** The conversations and how they become rows of tokens. */
public record TrainingData(
    @Key(meaning = Meaning.PATH, doc = "what prepare wrote, or a folder with the two JSON files")
        String datasetPath,
    @Key(
            alias = {"max_seq_len", "max_length"},
            otherwise = "512",
            range = "[2,)",
            doc = "tokens of a row")
        int maxSeqLength,
    @Key(otherwise = "true", doc = "several samples in a row") boolean packing,
    @Key(otherwise = "false", doc = "samples of a row attend to each other, as in the reference")
        boolean crossSampleAttention,
    @Key(
            meaning = Meaning.CHAT_TEMPLATE,
            doc =
                "reference, llama3, chatml, tokenizer, a file, or Jinja itself; without it the"
                    + " tokenizer's, if it has one, else reference")
        Optional<String> chatTemplate,
    @Key(
            otherwise = "drop",
            doc = "samples longer than a row: dropped (and counted), truncated, split, or an error")
        Overlong overlong,
    @Key(otherwise = "false", doc = "train on assistant turns alone") boolean assistantOnlyLoss,
    @Key(
            otherwise = "sft",
            doc = "what is learnt: conversations, or which of two answers is preferred (dpo)")
        Objective objective) {
  public TrainingData {
    KeyTable.check(
        TrainingData.class,
        datasetPath,
        maxSeqLength,
        packing,
        crossSampleAttention,
        chatTemplate,
        overlong,
        assistantOnlyLoss,
        objective);
  }

  /** Whether rows are pairs of answers. */
  public boolean isPreference() {
    return objective == Objective.DPO;
  }

  /** Tokens of a row: a pair of answers has two sequences. */
  public int rowLength() {
    return isPreference() ? 2 * maxSeqLength : maxSeqLength;
  }

  /** Whether rows hold several samples. */
  public boolean packs() {
    return packing && !isPreference();
  }

  /** What is learnt from a row. */
  public enum Objective implements KeyTable.Choice {
    /** The tokens of conversations. */
    SFT,
    /** Direct preference optimisation: the chosen answer rather than the rejected one. */
    DPO
  }

  /** What becomes of a sample that is longer than a row. */
  public enum Overlong implements KeyTable.Choice {
    /** Left out and counted. */
    DROP,
    /** Cut at the row's length. */
    TRUNCATE,
    /** Continued in further rows. */
    SPLIT,
    /** An error that names the sample. */
    ERROR
  }
}
