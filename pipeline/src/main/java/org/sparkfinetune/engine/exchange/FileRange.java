package org.sparkfinetune.engine.exchange;

import java.nio.file.Path;
import org.sparkfinetune.errors.Bug;

/** Bytes {@code [offset, offset + length)} of a local file. */
public record FileRange(Path file, long offset, long length) {
  public FileRange {
    if (offset < 0 || length < 0) {
      throw new Bug("A range of %s starts at %s and has %s bytes.".formatted(file, offset, length));
    }
  }
}
