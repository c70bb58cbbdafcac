package org.sparkfinetune.spark.tokenize;

import org.sparkfinetune.data.tokenize.PackingReport;

/**
 * What a split became.
 *
 * @param trainedTokens tokens that the loss is taken over
 */
public record TokenizedSplit(PackingReport packing, long trainedTokens) {}
