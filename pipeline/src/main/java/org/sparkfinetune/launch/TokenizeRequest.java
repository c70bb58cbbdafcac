package org.sparkfinetune.launch;

import java.time.LocalDate;
import java.time.ZoneId;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.tokenize.TokenizerFiles;

/**
 * A data set that is to become packed rows.
 *
 * @param cacheFolder on storage that driver and executors share; holds one folder for each way in
 *     which a data set was tokenised
 * @param day that a template tells which asks for the date
 */
public record TokenizeRequest(
    TrainingData data, TokenizerFiles tokenizer, Path cacheFolder, LocalDate day) {

  /** On this day. */
  public TokenizeRequest(TrainingData data, TokenizerFiles tokenizer, Path cacheFolder) {
    this(data, tokenizer, cacheFolder, LocalDate.now(ZoneId.systemDefault()));
  }
}
