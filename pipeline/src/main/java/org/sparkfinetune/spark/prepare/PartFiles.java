package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.apache.hadoop.fs.ChecksumFileSystem;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSError;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.TaskContext;
import org.apache.spark.util.SerializableConfiguration;
import org.apache.spark.util.TaskFailureListener;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How a task writes a file under the folder that is being made: under a name of its attempt first,
 * and renamed when it is whole, so that a second attempt beside the first cannot spoil it. An
 * object appears whole or not at all, so there the final name is written at once.
 */
record PartFiles(SerializableConfiguration settings, String folder, StoreKind kind)
    implements Serializable {
  private static final Logger LOG = LoggerFactory.getLogger(PartFiles.class);
  private static final String HIDDEN = ".";

  /** What a store promises about renames. */
  enum StoreKind {
    /** A folder is renamed in one step: local disks, HDFS. */
    FILES,
    /** A rename copies object by object, so a manifest written last marks what is complete. */
    OBJECTS;

    private static final Set<String> OBJECT_SCHEMES =
        Set.of(
            "s3", "s3a", "s3n", "gs", "wasb", "wasbs", "abfs", "abfss", "oss", "cos", "cosn", "obs",
            "swift");

    static StoreKind ofScheme(@Nullable String scheme) {
      return scheme != null && OBJECT_SCHEMES.contains(scheme.toLowerCase(Locale.ROOT))
          ? OBJECTS
          : FILES;
    }
  }

  FileSystem fileSystem() throws IOException {
    return plain(new Path(folder).getFileSystem(settings.value()));
  }

  /** Without the checksum files that Hadoop puts beside every local file. */
  static FileSystem plain(FileSystem fileSystem) {
    return fileSystem instanceof ChecksumFileSystem checked
        ? checked.getRawFileSystem()
        : fileSystem;
  }

  Path path(String name) {
    return new Path(folder, name);
  }

  FSDataOutputStream create(String name, String attempt) throws IOException {
    Path path = written(name, attempt);
    FSDataOutputStream out = fileSystem().create(path, true, 1 << 18);
    if (kind == StoreKind.FILES) {
      TaskFailureListener discarding = (task, failure) -> discard(out, path);
      TaskContext.get().addTaskFailureListener(discarding);
    }
    return out;
  }

  /** What the task failed of is the news. */
  private void discard(FSDataOutputStream out, Path path) {
    try {
      try {
        out.close();
      } finally {
        fileSystem().delete(path, false);
      }
    } catch (IOException | FSError e) {
      LOG.debug("{} is left behind", path, e);
    }
  }

  /** Deletes what tasks left whose executors died; for when no task is at work any more. */
  void sweep() throws IOException {
    FileSystem fileSystem = fileSystem();
    List<Path> folders = new ArrayList<>(List.of(new Path(folder)));
    for (Selection.Split split : Selection.Split.values()) {
      folders.add(path(split.folder()));
    }
    for (Path listed : folders) {
      for (FileStatus file : fileSystem.listStatus(listed)) {
        if (file.getPath().getName().startsWith(HIDDEN)) {
          fileSystem.delete(file.getPath(), false);
        }
      }
    }
  }

  void finish(String name, String attempt) throws IOException {
    Path written = written(name, attempt);
    Path path = path(name);
    if (written.equals(path)) {
      return;
    }
    FileSystem fileSystem = fileSystem();
    if (fileSystem.exists(path)) {
      // Another attempt was first; its bytes are the same.
      fileSystem.delete(written, false);
    } else if (!fileSystem.rename(written, path)) {
      throw new IOException("cannot rename " + written + " to " + path);
    }
  }

  private Path written(String name, String attempt) {
    return switch (kind) {
      case OBJECTS -> path(name);
      case FILES -> {
        Path path = path(name);
        yield new Path(path.getParent(), HIDDEN + path.getName() + "." + attempt);
      }
    };
  }
}
