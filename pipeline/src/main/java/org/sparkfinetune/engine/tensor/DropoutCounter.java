package org.sparkfinetune.engine.tensor;

/**
 * A row's dropout: element i is kept if the upper 24 bits of a hash of i under the key reach {@code
 * threshold}.
 *
 * @param low half of the key, added
 * @param high half of the key, for an exclusive or
 * @param keep what kept elements are multiplied with
 */
public record DropoutCounter(int low, int high, int threshold, float keep) {}
