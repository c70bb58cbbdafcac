package org.sparkfinetune.data.tokenize;

/**
 * A conversation as ids.
 *
 * @param trained of each token whether the model is to learn to predict it; the first never is,
 *     since nothing precedes it
 */
public record TokenizedSample(int[] ids, boolean[] trained) {
  public int length() {
    return ids.length;
  }

  /** Index of the first trained token, or {@link SampleLengths#NONE}. */
  public int firstTrained() {
    for (int i = 1; i < trained.length; i++) {
      if (trained[i]) {
        return i;
      }
    }
    return SampleLengths.NONE;
  }

  /** How many tokens the loss is taken over if the sample lies in a row whole. */
  public int trainedTokens() {
    int count = 0;
    for (int i = 1; i < trained.length; i++) {
      count += trained[i] ? 1 : 0;
    }
    return count;
  }
}
