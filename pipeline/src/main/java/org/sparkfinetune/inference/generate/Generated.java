package org.sparkfinetune.inference.generate;

/**
 * What a prompt was continued with.
 *
 * @param ids new tokens, without the one that ended them
 */
@SuppressWarnings("ArrayRecordComponent")
public record Generated(int[] ids, Finish finish) {

  /** Why it ended. */
  public enum Finish {
    /** By a stop token or a stop string. */
    STOP,
    /** By {@code max_new_tokens}, or the end of the model's context. */
    LENGTH
  }
}
