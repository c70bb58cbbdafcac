package org.sparkfinetune.spark.tokenize;

import java.time.LocalDate;
import java.time.ZoneId;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.data.tokenize.TokenizerFiles;

/**
 * this(data, tokenizer, cacheFolder, LocalDate.now(ZoneId.systemDefault()), true);
 *
 * @param cacheFolder on storage that driver and executors share; holds one folder for each way in
 *     which a data set was tokenised
 * @param day that a template tells which asks for the date
 * @param needsTest whether a test split that gives no row is a mistake: somebody will evaluate
 */
public record TokenizeRequest(
    TrainingData data,
    TokenizerFiles tokenizer,
    Path cacheFolder,
    LocalDate day,
    boolean needsTest) {

  /** On this day, for training with evaluation. */
  public TokenizeRequest(TrainingData data, TokenizerFiles tokenizer, Path cacheFolder) {
    this(data, tokenizer, cacheFolder, LocalDate.now(ZoneId.systemDefault()), true);
  }
}
