package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.sparkfinetune.testing.SparkSessions;

/** What tests of whole prepares do again and again. */
final class Preparing {
  private Preparing() {}

  static PrepareReport run(Configs configs) {
    return new Prepare(SparkSessions.shared(), configs.config()).run();
  }

  static List<String> lines(Path file) throws IOException {
    return Files.readAllLines(file);
  }
}
