package org.sparkfinetune.prepare;

import java.io.IOException;
import java.io.Serializable;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.ChecksumFileSystem;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.util.SerializableConfiguration;

/**
 * How a task writes a file under the folder that is being made: under a name of its attempt first,
 * and renamed when it is whole, so that a second attempt beside the first cannot spoil it. An
 * object appears whole or not at all, so there the final name is written at once.
 */
record PartFiles(SerializableConfiguration settings, String folder, StoreKind kind)
    implements Serializable {
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
    return fileSystem().create(path, true, 1 << 18);
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
        yield new Path(path.getParent(), "." + path.getName() + "." + attempt);
      }
    };
  }

  Configuration configuration() {
    return settings.value();
  }
}
