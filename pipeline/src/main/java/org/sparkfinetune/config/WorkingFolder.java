package org.sparkfinetune.config;

import java.io.IOException;
import java.util.Arrays;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.store.MissingPath;

/**
 * What relative paths are relative to: the working folder of the default file system in the process
 * that reads the user's words. Executors have working folders of their own.
 */
final class WorkingFolder {
  /** {@code owner/name}, with a revision behind an at sign if wanted. */
  private static final Pattern ID = Pattern.compile("[A-Za-z0-9][^/:@]*/[^/:@]+(@[^:]+)?");

  /** Before an id, where a path could be meant as well. */
  private static final String HUB = "hub:";

  private final Configuration hadoop;

  WorkingFolder(Configuration hadoop) {
    this.hadoop = hadoop;
  }

  /**
   * The absolute path; {@code text} itself if it is absolute or has a scheme.
   *
   * @throws IllegalArgumentException if it is no path
   */
  String path(String text) {
    if (text.startsWith(HUB)) {
      return text;
    }
    try {
      Path path = new Path(text);
      if (path.isAbsolute() || path.toUri().getScheme() != null) {
        return text;
      }
      Path folder = FileSystem.get(hadoop).getWorkingDirectory();
      return new Path(folder, path).toUri().getPath();
    } catch (IOException e) {
      // Whoever opens the path says what is wrong with its store.
      return text;
    }
  }

  /** The same for what may be a hub's id as well: that is no path unless something is there. */
  String pathOrId(String text) {
    String absolute = path(text);
    if (!ID.matcher(text).matches()) {
      return absolute;
    }
    try {
      return FileSystem.get(hadoop).exists(new Path(absolute)) ? absolute : text;
    } catch (IOException e) {
      return text;
    }
  }

  /** Those of a text with commas between, unless a path has the commas in its name. */
  Stream<String> pathsOrIds(String text) {
    return text.contains(",") && !exists(text)
        ? Arrays.stream(text.split(",")).map(String::strip).map(this::pathOrId)
        : Stream.of(pathOrId(text));
  }

  private boolean exists(String text) {
    try {
      Path path = new Path(path(text));
      return path.getFileSystem(hadoop).exists(path);
    } catch (IOException | IllegalArgumentException e) {
      return false;
    }
  }

  /** A name like that of a file that is not there, and where it was looked for. */
  String adviceOnMissing(String file) {
    try {
      Path path = new Path(file);
      FileSystem store = path.getFileSystem(hadoop);
      String advice = MissingPath.didYouMean(path, store);
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
}
