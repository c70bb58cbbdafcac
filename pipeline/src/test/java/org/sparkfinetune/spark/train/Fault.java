package org.sparkfinetune.spark.train;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/**
 * Something that shall happen once, on the first executor that comes to a moment.
 *
 * @param runFolder of the run it happens to
 * @param after nothing happens before this file is there
 * @param type simple name of the class whose method an executor has to be in
 * @param command for a shell, with {@code SELF}, the executor's process, and {@code ALL}, those of
 *     all executors; or {@link #OUT_OF_MEMORY}
 */
record Fault(Path runFolder, Path after, String type, String method, String command) {
  static final String OUT_OF_MEMORY = "out of memory";

  /** Where what was saved at the moment is written down. */
  static Path claimed(Path folder) {
    return folder.resolve("claimed");
  }

  private static Path file(Path folder) {
    return folder.resolve("armed.properties");
  }

  static @Nullable Fault armed(Path folder) throws IOException {
    Properties values = new Properties();
    try (InputStream in = Files.newInputStream(file(folder))) {
      values.load(in);
    } catch (NoSuchFileException e) {
      return null;
    }
    return new Fault(
        Path.of(values.getProperty("runFolder")),
        Path.of(values.getProperty("after")),
        values.getProperty("type"),
        values.getProperty("method"),
        values.getProperty("command"));
  }

  void arm(Path folder) throws IOException {
    Files.deleteIfExists(claimed(folder));
    Properties values = new Properties();
    values.setProperty("runFolder", runFolder.toString());
    values.setProperty("after", after.toString());
    values.setProperty("type", type);
    values.setProperty("method", method);
    values.setProperty("command", command);
    Path aside = folder.resolve("aside");
    try (OutputStream out = Files.newOutputStream(aside)) {
      values.store(out, null);
    }
    Files.move(aside, file(folder), StandardCopyOption.ATOMIC_MOVE);
  }

  static void disarm(Path folder) throws IOException {
    Files.deleteIfExists(file(folder));
  }
}
