package org.sparkfinetune.store;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The few lines that Git keeps in place of a large file. A clone without Git LFS leaves them under
 * the file's name, where every reader takes them for a broken file of its own format.
 */
public final class LfsPointer {
  /** Completes a sentence whose subject is the file. */
  public static final String WHAT =
      "is a Git LFS pointer, not the file. Fetch the file itself: git lfs pull";

  /** Git LFS writes no longer ones. */
  public static final int LONGEST = 1024;

  private static final byte[] BEGINNING =
      "version https://git-lfs.github.com/spec/".getBytes(StandardCharsets.US_ASCII);

  private LfsPointer() {}

  /** Whether a file is one, by its first bytes. */
  public static boolean isAt(byte[] head) {
    return head.length >= BEGINNING.length
        && Arrays.equals(head, 0, BEGINNING.length, BEGINNING, 0, BEGINNING.length);
  }
}
