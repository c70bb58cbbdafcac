package org.sparkfinetune.launch;

import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.tokenize.TokenizerFiles;

/**
 * @param cacheFolder on storage that driver and executors share; holds one folder for each way in
 *     which a data set was tokenised
 */
public record TokenizeRequest(TrainingData data, TokenizerFiles tokenizer, Path cacheFolder) {}
