package org.sparkfinetune.spark.prepare;

import java.io.IOException;

/**
 * A file that cannot be read to its end. It fails the job, because nobody can count the rows that
 * would be lost; it is not a task failure, because trying again would not help.
 */
final class UnreadableFile extends IOException {
  private static final long serialVersionUID = 1L;

  UnreadableFile(String message) {
    super(message);
  }

  UnreadableFile(String message, Throwable cause) {
    super(message, cause);
  }
}
