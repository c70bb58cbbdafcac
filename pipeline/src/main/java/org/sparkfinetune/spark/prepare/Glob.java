package org.sparkfinetune.spark.prepare;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.GlobPattern;
import org.apache.hadoop.fs.Path;

/**
 * What a glob matches. Hadoop's own globber takes the names that it meets for URIs and fails at the
 * first one with a colon, whether the glob matches it or not; then the folders are listed here.
 * Braces with a slash in them are Hadoop's alone.
 */
final class Glob {
  private final FileSystem fileSystem;

  Glob(FileSystem fileSystem) {
    this.fileSystem = fileSystem;
  }

  List<FileStatus> matches(Path pattern) throws IOException {
    try {
      FileStatus[] matching = fileSystem.globStatus(pattern);
      return matching == null ? List.of() : List.of(matching);
    } catch (IllegalArgumentException e) {
      return listed(fileSystem.makeQualified(pattern));
    }
  }

  private List<FileStatus> listed(Path pattern) throws IOException {
    Deque<String> names = new ArrayDeque<>();
    Path folder = pattern;
    while (folder.getParent() != null && hasWildcard(folder)) {
      names.push(folder.getName());
      folder = folder.getParent();
    }
    List<FileStatus> found = status(folder);
    for (String name : names) {
      found = matchesWithin(found, new GlobPattern(name));
    }
    return found;
  }

  private List<FileStatus> status(Path path) throws IOException {
    try {
      return List.of(fileSystem.getFileStatus(path));
    } catch (FileNotFoundException e) {
      return List.of();
    }
  }

  private static boolean hasWildcard(Path path) {
    return new GlobPattern(path.toUri().getPath()).hasWildcard();
  }

  private List<FileStatus> matchesWithin(List<FileStatus> folders, GlobPattern name)
      throws IOException {
    List<FileStatus> found = new ArrayList<>();
    for (FileStatus folder : folders) {
      if (folder.isDirectory()) {
        for (FileStatus child : fileSystem.listStatus(folder.getPath())) {
          if (name.matches(child.getPath().getName())) {
            found.add(child);
          }
        }
      }
    }
    return found;
  }
}
