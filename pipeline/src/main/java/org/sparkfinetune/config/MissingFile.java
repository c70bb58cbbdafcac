package org.sparkfinetune.config;

import java.io.IOException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** What helps somebody whose file is not there: a name like it, and where it was looked for. */
final class MissingFile {
  /** Letters that a slip of the keyboard changes at most. */
  private static final int SLIP = 3;

  private final Configuration hadoop;

  MissingFile(Configuration hadoop) {
    this.hadoop = hadoop;
  }

  /** To follow the words that it is not there. */
  String advice(String file) {
    try {
      Path path = new Path(file);
      FileSystem store = path.getFileSystem(hadoop);
      String advice =
          nearest(store, path).map(name -> "; did you mean %s?".formatted(name)).orElse(".");
      if (path.isAbsolute()) {
        return advice;
      }
      return "%s Relative paths start at %s%s"
          .formatted(
              advice,
              store.getWorkingDirectory(),
              store.getScheme().equals("file") ? "." : "; write file:/… for this machine's disk.");
    } catch (IOException e) {
      return ".";
    }
  }

  private static Optional<Path> nearest(FileSystem store, Path path) {
    Path folder = Optional.ofNullable(path.getParent()).orElse(new Path("."));
    try {
      return Arrays.stream(store.listStatus(folder))
          .map(status -> status.getPath().getName())
          .filter(name -> EditDistance.between(name, path.getName()) <= SLIP)
          .min(Comparator.comparingInt(name -> EditDistance.between(name, path.getName())))
          .map(name -> path.getParent() == null ? new Path(name) : new Path(folder, name));
    } catch (IOException e) {
      return Optional.empty();
    }
  }
}
