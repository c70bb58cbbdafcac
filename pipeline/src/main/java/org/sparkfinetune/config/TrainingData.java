package org.sparkfinetune.config;

import java.util.Optional;

/**
 * The conversations and how they become rows of tokens.
 *
 * @param datasetPath what prepare wrote, or a folder with the two JSON files
 * @param maxSeqLength tokens of a row
 * @param packing several samples share a row
 * @param crossSampleAttention samples of a row attend to each other and positions run on
 * @param chatTemplate a built-in name, {@code tokenizer}, or a file; without one the tokenizer's,
 *     if it has one, else {@code reference}
 * @param assistantOnlyLoss only assistant turns are trained
 */
public record TrainingData(
    String datasetPath,
    int maxSeqLength,
    boolean packing,
    boolean crossSampleAttention,
    Optional<String> chatTemplate,
    Overlong overlong,
    boolean assistantOnlyLoss) {
  public TrainingData {
    TrainKeys.DATASET_PATH.check(datasetPath);
    TrainKeys.MAX_SEQ_LENGTH.check(maxSeqLength);
    TrainKeys.CHAT_TEMPLATE.check(chatTemplate);
  }
}
