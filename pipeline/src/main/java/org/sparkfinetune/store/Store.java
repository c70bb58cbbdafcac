package org.sparkfinetune.store;

import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSError;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.sparkfinetune.errors.RunFailure;

/**
 * All Hadoop file systems, by path, with the settings to reach them: small files that are replaced
 * as a whole, large ones and folders that appear as a whole, and files that grow while they are
 * read. Every failure is a {@link RunFailure} with the path. Sent to executors, it brings the
 * settings along.
 *
 * <p>Two questions tell stores apart. Whether one appends says how a file is written: on a local
 * disk or HDFS it is flushed line by line and renamed into place; where nothing is appended to, a
 * file shows only when it is closed, and then all at once, so the whole file is written again at
 * intervals. Whether one {@link #renamesFolders renames folders} says how a folder is published: by
 * its name, or by a manifest that is written last. Object stores may append and still copy a folder
 * object by object, and no capability of Hadoop tells that; so there the scheme decides.
 */
public final class Store implements Serializable {
  private static final long serialVersionUID = 1L;
  private static final String TEMPORARY = ".tmp";

  /** Of stores where a rename copies object by object, even if they say that they append. */
  private static final Set<String> OBJECT_SCHEMES =
      Set.of(
          "s3", "s3a", "s3n", "gs", "wasb", "wasbs", "abfs", "abfss", "oss", "cos", "cosn", "obs",
          "swift");

  private transient Configuration hadoop;
  private transient InstantSource clock;

  public Store(Configuration hadoop) {
    this(hadoop, InstantSource.system());
  }

  public Store(Configuration hadoop, InstantSource clock) {
    this.hadoop = hadoop;
    this.clock = clock;
  }

  /** For libraries that open paths themselves, such as Parquet and Spark. */
  public Configuration hadoop() {
    return hadoop;
  }

  /** Puts {@code content} in place of what was there; a reader sees the old or the new, whole. */
  public void replace(Path path, byte[] content) {
    try (AtomicFile file = create(path)) {
      file.write(content, 0, content.length);
      file.commit();
    }
  }

  /** The same with UTF-8 text. */
  public void replace(Path path, String text) {
    replace(path, text.getBytes(StandardCharsets.UTF_8));
  }

  /** A file to be written and committed; its folder is made if need be. */
  public AtomicFile create(Path path) {
    return doing("written", path, () -> new AtomicFile(this, path, AtomicFile.Durability.FLUSHED));
  }

  /** The same, for a folder that nobody reads yet: it may be incomplete after a power cut. */
  public AtomicFile createPart(Path path) {
    return doing("written", path, () -> new AtomicFile(this, path, AtomicFile.Durability.CACHED));
  }

  /** A file or folder that others write and that is to be published under a name. */
  public Staging stage(Path target) {
    return new Staging(this, target);
  }

  /**
   * Copies those of the named files that a folder has, each as a whole. On a local disk nothing
   * else appears there: Hadoop's own copy leaves a hidden checksum file beside each.
   */
  public void copy(Path from, Path to, List<String> names) {
    for (String name : names) {
      Path file = new Path(from, name);
      open(file).ifPresent(in -> run("copied", file, () -> copy(in, new Path(to, name))));
    }
  }

  private void copy(InputStream in, Path target) throws IOException {
    try (in;
        AtomicFile out = create(target)) {
      in.transferTo(out);
      out.commit();
    }
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
    return doing("reached", path, () -> appends(path))
        ? Optional.empty()
        : status(path).map(file -> file.getLen() + " " + file.getModificationTime());
  }

  /** How soon another look at a file that grows may find more of it. */
  public Duration freshness(Path path) {
    return doing(
        "reached",
        path,
        () ->
            appends(path)
                ? Duration.ofSeconds(fileSystem(path) instanceof RawLocalFileSystem ? 1 : 5)
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

  /**
   * Whether folders on this store get another name in one move. Object stores copy them, so that
   * only a manifest that is written last shows that a folder is whole.
   */
  public boolean renamesFolders(Path path) {
    boolean appends = doing("reached", path, () -> appends(path));
    return appends && !OBJECT_SCHEMES.contains(String.valueOf(qualified(path).toUri().getScheme()));
  }

  /** The path with its store and from its root, so that it means the same to every process. */
  public Path qualified(Path path) {
    return doing("reached", path, () -> path.getFileSystem(hadoop).makeQualified(path));
  }

  /** The path for {@code java.nio}, if it is on this machine's own file system. */
  public Optional<java.nio.file.Path> local(Path path) {
    Path whole = qualified(path);
    return "file".equals(whole.toUri().getScheme())
        ? Optional.of(java.nio.file.Path.of(whole.toUri().getPath()))
        : Optional.empty();
  }

  /** Length and time of change of a file; empty where there is none. */
  public Optional<FileStatus> status(Path path) {
    return doing(
        "looked up",
        path,
        () -> {
          try {
            return Optional.of(fileSystem(path).getFileStatus(path));
          } catch (FileNotFoundException e) {
            return Optional.empty();
          }
        });
  }

  /** Gives a file or folder another name, in place of what has it: a file in one move. */
  public void rename(Path path, Path name) {
    run("renamed", path, () -> new Renaming(this).rename(path, name));
  }

  /** Puts a folder in another's place, which gets a third name, or its own again if that fails. */
  public void swap(Path folder, Path name, Path old) {
    run("renamed", folder, () -> new Renaming(this).swap(folder, name, old));
  }

  /** Deletes what killed writers left of files and folders that they were making in a folder. */
  public void sweep(Path folder) {
    list(folder, any -> true).stream()
        .filter(path -> path.getName().startsWith(".") && path.getName().endsWith(TEMPORARY))
        .forEach(this::delete);
  }

  /** Deletes the file, or the folder with all in it, if it is there. */
  public void delete(Path path) {
    run("deleted", path, () -> path.getFileSystem(hadoop).delete(path, true));
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

  /** A hidden name in the same folder that nobody else uses. */
  static Path aside(Path target) {
    return new Path(
        target.getParent(), "." + target.getName() + "." + UUID.randomUUID() + TEMPORARY);
  }

  boolean appends(Path path) throws IOException {
    return fileSystem(path).hasPathCapability(path, CommonPathCapabilities.FS_APPEND);
  }

  /** Local files without Hadoop's checksum files, which cannot be appended to or flushed. */
  public FileSystem fileSystem(Path path) throws IOException {
    FileSystem files = path.getFileSystem(hadoop);
    return files instanceof LocalFileSystem local ? local.getRawFileSystem() : files;
  }

  private void writeObject(ObjectOutputStream out) throws IOException {
    out.defaultWriteObject();
    hadoop.write(out);
  }

  private void readObject(ObjectInputStream in) throws IOException, ClassNotFoundException {
    in.defaultReadObject();
    hadoop = new Configuration(false);
    hadoop.readFields(in);
    clock = InstantSource.system();
  }

  interface Action<T> {
    T run() throws IOException;
  }

  interface Effect {
    void run() throws IOException;
  }

  static void run(String what, Path path, Effect effect) {
    doing(
        what,
        path,
        () -> {
          effect.run();
          return true;
        });
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
