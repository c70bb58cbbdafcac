package org.sparkfinetune.inference.generate;

/** Sees tokens as they are made. */
@FunctionalInterface
public interface TokenListener {

  /** Whether a sequence goes on. */
  enum Then {
    CONTINUE,
    STOP
  }

  /**
   * A token of a sequence; those that end it are not shown.
   *
   * @param prompt index of the prompt
   */
  Then token(int prompt, int id);

  /** A sequence has all its tokens. */
  default void ended(int prompt) {}
}
