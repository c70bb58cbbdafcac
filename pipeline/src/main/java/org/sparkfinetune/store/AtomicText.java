package org.sparkfinetune.store;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Small text files beside weights, such as their index or configuration. */
public final class AtomicText {
  private AtomicText() {}

  /** Writes UTF-8 aside and then renames, so that a reader sees the whole text or the old file. */
  public static void write(Path target, Configuration conf, String text) {
    try (AtomicFile file = AtomicFile.create(target, conf)) {
      file.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
      file.commit();
    }
  }
}
