package org.sparkfinetune.inference.generate;

/**
 * An answer.
 *
 * @param text without the stop string or token that ended it
 * @param promptTokens tokens of the prompt
 * @param tokens that were generated
 */
public record Completion(String text, int promptTokens, int tokens, Generated.Finish finish) {}
