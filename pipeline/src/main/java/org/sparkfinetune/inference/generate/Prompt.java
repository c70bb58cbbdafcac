package org.sparkfinetune.inference.generate;

/**
 * Tokens to continue.
 *
 * @param sequence tells apart sequences of the same seed: its number in a file, a hash of its key
 * @param ids at least one
 */
@SuppressWarnings("ArrayRecordComponent")
public record Prompt(long sequence, int[] ids) {}
