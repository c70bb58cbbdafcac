package org.sparkfinetune.data.tokenize;

/**
 * All that packing needs to know of the samples of a split.
 *
 * @param lengths tokens of each sample
 * @param firstTrained of each sample the index of its first trained token after the very first, or
 *     {@link #NONE}
 */
public record SampleLengths(int[] lengths, int[] firstTrained) {
  public static final int NONE = Integer.MAX_VALUE;

  public SampleLengths {
    if (lengths.length != firstTrained.length) {
      throw new IllegalArgumentException("two lists of different samples");
    }
  }

  public int samples() {
    return lengths.length;
  }
}
