package org.sparkfinetune.launch;

import org.sparkfinetune.tokenize.PackingReport;

/**
 * What a split became.
 *
 * @param trainedTokens tokens that the loss is taken over
 */
public record TokenizedSplit(PackingReport packing, long trainedTokens) {}
