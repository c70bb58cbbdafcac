package org.sparkfinetune.data.conversation;

import java.util.HexFormat;

/**
 * What a conversation is called by: the beginning of its text's digest, so that it keeps its name
 * over seeds, splits and sources. An id is a name, with the number of the copy behind it where a
 * data set has a text several times.
 */
public final class ConversationName {
  /** Of a digest. */
  public static final int BYTES = 10;

  private ConversationName() {}

  /**
   * @param digest see {@link EncodedConversation#digest}
   */
  public static String of(byte[] digest) {
    return of(digest, 0);
  }

  /** The name whose bytes begin at {@code from}. */
  public static String of(byte[] bytes, int from) {
    return HexFormat.of().formatHex(bytes, from, from + BYTES);
  }
}
