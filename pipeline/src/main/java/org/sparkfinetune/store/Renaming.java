package org.sparkfinetune.store;

import java.io.IOException;
import org.apache.hadoop.fs.FSError;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.UnsupportedFileSystemException;

/** Other names for files and folders, in place of what has them, on every kind of store. */
record Renaming(Store store) {
  /** A file in one move. */
  void rename(Path path, Path name) throws IOException {
    if (store.fileSystem(path).getFileStatus(path).isDirectory()) {
      store.delete(name);
      folder(path, name);
    } else {
      file(path, name);
    }
  }

  /** Puts a folder in another's place, which gets a third name, or its own again if that fails. */
  void swap(Path folder, Path name, Path old) throws IOException {
    folder(name, old);
    try {
      folder(folder, name);
    } catch (IOException | FSError e) {
      folder(old, name);
      throw e;
    }
  }

  private void folder(Path folder, Path name) throws IOException {
    // Not the plain files of fileSystem(): what Parquet or Spark wrote has checksum files beside
    // it.
    move(folder.getFileSystem(store.hadoop()), folder, name);
  }

  private static void move(FileSystem files, Path path, Path name) throws IOException {
    if (!files.rename(path, name)) {
      throw new IOException("renaming %s to %s was refused".formatted(path, name));
    }
  }

  void file(Path file, Path name) throws IOException {
    FileSystem files = store.fileSystem(name);
    if (files instanceof RawLocalFileSystem) {
      // Not the scheme's own: Hive's, which a Spark with Hive has for file:, replaces nothing.
      files.delete(checksums(name), false);
      move(files, file, name);
      files.delete(checksums(file), false);
      return;
    }
    try {
      FileContext.getFileContext(files.getUri(), store.hadoop())
          .rename(file, name, Options.Rename.OVERWRITE);
    } catch (UnsupportedFileSystemException e) {
      // Only FileContext replaces in one move; a store without one gets the nearest thing.
      store.delete(name);
      folder(file, name);
    }
  }

  /** Where Hadoop's local file system, through which Parquet is written, keeps a file's sums. */
  private static Path checksums(Path file) {
    return new Path(file.getParent(), "." + file.getName() + ".crc");
  }
}
