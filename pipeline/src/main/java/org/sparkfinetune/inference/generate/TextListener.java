package org.sparkfinetune.inference.generate;

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

  /** All of an answer is there, the last pieces of its text maybe apart. */
  default void ended(int prompt) {}

  /** Sees only when answers end, and nothing of their text. */
  static TextListener ends(Runnable ended) {
    return new TextListener() {
      @Override
      public void text(int prompt, String piece) {}

      @Override
      public void ended(int prompt) {
        ended.run();
      }
    };
  }
}
