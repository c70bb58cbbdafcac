package org.sparkfinetune.generate;

/** Sees text as it is made. */
@FunctionalInterface
public interface TextListener {
  /** Sees nothing. */
  TextListener NONE = (prompt, piece) -> {};

  /**
   * More text of an answer; all pieces together are the answer.
   *
   * @param prompt index of the prompt
   */
  void text(int prompt, String piece);
}
