package org.sparkfinetune.data.tokenize;

/**
 * A special token of {@code tokenizer.json}.
 *
 * @param swallowsSpaceBefore {@code lstrip}: white space before it belongs to it
 * @param swallowsSpaceAfter {@code rstrip}
 */
record SpecialToken(int id, String text, boolean swallowsSpaceBefore, boolean swallowsSpaceAfter) {}
