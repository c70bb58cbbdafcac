package org.sparkfinetune.store;

import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSError;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;

/**
 * Files of a run on any Hadoop file system: small ones that are replaced as a whole, others that
 * grow while they are read, and folders that appear as a whole. Every failure is a {@link
 * RunFailure} with the path.
 *
 * <p>Two kinds of stores: those that append (local disk, HDFS) are renamed into place and flushed
 * line by line; object stores show a file only when it is closed, and then all at once, so there
 * the whole file is written again at intervals.
 */
public final class RunFiles {

  private static final Logger LOG = LoggerFactory.getLogger(RunFiles.class);
  private static final String TEMPORARY = ".tmp";

  private final Configuration hadoop;
  private final InstantSource clock;

  public RunFiles(Configuration hadoop, InstantSource clock) {
    this.hadoop = hadoop;
    this.clock = clock;
  }

  /** Puts {@code content} in place of what was there; a reader sees the old or the new, whole. */
  public void replace(Path path, byte[] content) {
    doing("written", path, () -> replaceOrThrow(path, content));
  }

  /** The bytes of the file; empty where there is none. */
  public Optional<byte[]> read(Path path) {
    return doing(
        "read",
        path,
        () -> {
          try (FSDataInputStream in = fileSystem(path).open(path)) {
            return Optional.of(in.readAllBytes());
          } catch (FileNotFoundException e) {
            return Optional.empty();
          }
        });
  }

  /** The bytes from {@code offset} on; none where there is no file, or no more of it. */
  public byte[] readFrom(Path path, long offset) {
    return doing(
        "read",
        path,
        () -> {
          try (FSDataInputStream in = fileSystem(path).open(path)) {
            in.seek(offset);
            return in.readAllBytes();
          } catch (FileNotFoundException | EOFException e) {
            return new byte[0];
          }
        });
  }

  /**
   * What tells an object from the one that it replaces, for one cheap request; empty where there is
   * none, and on stores that append: those may know the length of a file only when it is closed.
   */
  public Optional<String> version(Path path) {
    return doing(
        "looked up",
        path,
        () -> {
          if (appends(path)) {
            return Optional.empty();
          }
          try {
            FileStatus status = fileSystem(path).getFileStatus(path);
            return Optional.of(status.getLen() + " " + status.getModificationTime());
          } catch (FileNotFoundException e) {
            return Optional.empty();
          }
        });
  }

  /** How soon another look at a file that grows may find more of it. */
  public Duration freshness(Path path) {
    return doing(
        "reached",
        path,
        () ->
            appends(path)
                ? Duration.ofSeconds(isLocal(path) ? 1 : 5)
                : GrowingFile.Rewritten.INTERVAL);
  }

  /** The files in a folder, by name; none where there is no folder. */
  public List<Path> list(Path folder) {
    return list(folder, FileStatus::isFile);
  }

  /** The folders in a folder, by name; none where there is no folder. */
  public List<Path> folders(Path folder) {
    return list(folder, FileStatus::isDirectory);
  }

  private List<Path> list(Path folder, Predicate<FileStatus> wanted) {
    return doing(
        "listed",
        folder,
        () -> {
          try {
            return Stream.of(fileSystem(folder).listStatus(folder))
                .filter(wanted)
                .map(status -> new Path(folder, status.getPath().getName()))
                .sorted()
                .toList();
          } catch (FileNotFoundException e) {
            return List.of();
          }
        });
  }

  public boolean exists(Path path) {
    return doing("looked up", path, () -> fileSystem(path).exists(path));
  }

  /**
   * The file's bytes, opened; empty where there is none. Reading it may fail with an IOException.
   */
  public Optional<InputStream> open(Path path) {
    return doing(
        "read",
        path,
        () -> {
          try {
            return Optional.of(fileSystem(path).open(path));
          } catch (FileNotFoundException e) {
            return Optional.empty();
          }
        });
  }

  /** Whether folders on this store get another name in one move; object stores copy them. */
  public boolean renamesFolders(Path path) {
    return doing("reached", path, () -> appends(path));
  }

  /** The path with its store and from its root, so that it means the same to every process. */
  public Path qualified(Path path) {
    return doing("reached", path, () -> path.getFileSystem(hadoop).makeQualified(path));
  }

  /** Gives a folder another name, in place of what has it. */
  public void replaceFolder(Path folder, Path name) {
    doing(
        "renamed",
        folder,
        () -> {
          fileSystem(name).delete(name, true);
          if (!fileSystem(name).rename(folder, name)) {
            throw new IOException("renaming to " + name + " was refused");
          }
          return name;
        });
  }

  /** Gives a file the name of another, in its place: in one move, on stores that rename. */
  public void replaceFile(Path file, Path name) {
    doing("renamed", file, () -> renameOrThrow(file, name));
  }

  /** Deletes what a writer that was killed left of files that it was replacing in a folder. */
  public void sweep(Path folder) {
    for (Path file : list(folder)) {
      if (file.getName().startsWith(".") && file.getName().endsWith(TEMPORARY)) {
        delete(file);
      }
    }
  }

  /** Deletes a folder with all in it, if it is there. */
  public void deleteFolder(Path folder) {
    doing("deleted", folder, () -> fileSystem(folder).delete(folder, true));
  }

  /** Deletes the file, if it is there. */
  public void delete(Path path) {
    doing("deleted", path, () -> fileSystem(path).delete(path, false));
  }

  /** The file with {@code content}, replaced as a whole, and open for more. */
  public GrowingFile grow(Path path, byte[] content) {
    replace(path, content);
    return doing(
        "opened",
        path,
        () ->
            appends(path)
                ? new GrowingFile.Appended(path, fileSystem(path).append(path))
                : new GrowingFile.Rewritten(this, path, content, clock));
  }

  /** What time it is for the files. */
  public InstantSource clock() {
    return clock;
  }

  private boolean replaceOrThrow(Path path, byte[] content) throws IOException {
    if (!appends(path)) {
      writeOrThrow(path, content);
      return true;
    }
    Path aside = new Path(path.getParent(), "." + path.getName() + TEMPORARY);
    try {
      writeOrThrow(aside, content);
      return renameOrThrow(aside, path);
    } catch (IOException | FSError e) {
      deleteIfPossible(aside);
      throw e;
    }
  }

  private boolean renameOrThrow(Path file, Path name) throws IOException {
    FileSystem files = fileSystem(name);
    if (isLocal(name)) {
      if (!files.rename(file, name)) {
        throw new IOException("could not rename " + file);
      }
    } else {
      FileContext.getFileContext(files.getUri(), hadoop)
          .rename(file, name, Options.Rename.OVERWRITE);
    }
    return true;
  }

  /** What failed before is the news. */
  private void deleteIfPossible(Path file) {
    try {
      fileSystem(file).delete(file, false);
    } catch (IOException | FSError e) {
      LOG.debug("{} is left behind", file, e);
    }
  }

  private void writeOrThrow(Path path, byte[] content) throws IOException {
    try (FSDataOutputStream out = fileSystem(path).create(path, true)) {
      out.write(content);
      if (appends(path)) {
        out.hsync();
      }
    }
  }

  private boolean appends(Path path) throws IOException {
    return fileSystem(path).hasPathCapability(path, CommonPathCapabilities.FS_APPEND);
  }

  private boolean isLocal(Path path) throws IOException {
    return path.getFileSystem(hadoop) instanceof LocalFileSystem;
  }

  /** Local files without Hadoop's checksum files, which cannot be appended to or flushed. */
  private FileSystem fileSystem(Path path) throws IOException {
    FileSystem files = path.getFileSystem(hadoop);
    return files instanceof LocalFileSystem local ? local.getRawFileSystem() : files;
  }

  interface Action<T> {
    T run() throws IOException;
  }

  static <T> T doing(String what, Path path, Action<T> action) {
    try {
      return action.run();
    } catch (IOException e) {
      throw failed(what, path, e);
    } catch (FSError e) {
      // What Hadoop's local file system makes of a write that fails.
      throw failed(what, path, Objects.requireNonNull(e.getCause()));
    }
  }

  private static RunFailure failed(String what, Path path, Throwable cause) {
    return new RunFailure(
        "%s could not be %s: %s; check that the store is there, has room and lets this user write"
            .formatted(path, what, cause.getMessage()),
        cause);
  }
}
