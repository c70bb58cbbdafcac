package org.sparkfinetune.spark.prepare;

import com.github.luben.zstd.ZstdInputStream;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.security.AccessControlException;
import org.sparkfinetune.errors.UserError;

/** Opens the rows of a text split: unpacks, skips a byte order mark, finds the layout. */
final class RowOpener {
  private static final int BUFFER = 256 << 10;

  private final Configuration configuration;

  RowOpener(Configuration configuration) {
    this.configuration = configuration;
  }

  SourceRows open(TextSplit split) throws IOException {
    Window window = window(split);
    if (split.first()) {
      skipByteOrderMark(window);
    }
    return switch (split.file().format()) {
      case JSON -> new JsonRows(slices(split, window));
      case CSV -> new CsvRows(window);
      case PARQUET -> throw new IllegalArgumentException("Parquet is read by Spark: " + split);
    };
  }

  /** Whether the file is one array, so that it cannot be split after all. */
  boolean isArray(InputFile file) {
    try (Window window = window(TextSplit.whole(file))) {
      skipByteOrderMark(window);
      return layout(window) == JsonLayout.ARRAY;
    } catch (IOException e) {
      throw new UserError("input: cannot read %s: %s".formatted(file.uri(), e.getMessage()), e);
    }
  }

  private static JsonLayout layout(Window window) throws IOException {
    if (window.from() == window.to()) {
      window.more();
    }
    return JsonLayout.of(window.bytes(), window.from(), window.to());
  }

  private static Slices slices(TextSplit split, Window window) throws IOException {
    if (!split.first()) {
      return new LineSlices(window, split.end(), LineSlices.Beginning.INSIDE_A_LINE);
    }
    boolean whole = split.end() == split.file().length();
    if (whole && layout(window) == JsonLayout.ARRAY) {
      return new ArraySlices(window);
    }
    long end = split.file().splittable() ? split.end() : Long.MAX_VALUE;
    return new LineSlices(window, end, LineSlices.Beginning.OF_A_LINE);
  }

  private static void skipByteOrderMark(Window window) throws IOException {
    while (window.to() < 3 && window.more()) {
      // A stream may hand out single bytes.
    }
    byte[] bytes = window.bytes();
    if (window.to() >= 3
        && bytes[0] == (byte) 0xEF
        && bytes[1] == (byte) 0xBB
        && bytes[2] == (byte) 0xBF) {
      window.advance(3);
    }
  }

  private Window window(TextSplit split) throws IOException {
    Path path = new Path(split.file().uri());
    FileSystem fileSystem = path.getFileSystem(configuration);
    long start = split.first() ? 0 : split.start() - 1;
    FSDataInputStream in = opened(fileSystem, path);
    try {
      in.seek(start);
      return new Window(unpacked(in, split.file().compression()), start);
    } catch (ZipException | EOFException e) {
      in.close();
      throw new UnreadableFile("the compressed data is broken: " + e.getMessage(), e);
    }
  }

  private static FSDataInputStream opened(FileSystem fileSystem, Path path) throws IOException {
    try {
      return fileSystem.open(path, BUFFER);
    } catch (FileNotFoundException | AccessControlException e) {
      throw new UnreadableFile("cannot be opened: " + e.getMessage(), e);
    }
  }

  private static InputStream unpacked(InputStream in, InputFile.Compression compression)
      throws IOException {
    return switch (compression) {
      case NONE -> in;
      case GZIP -> new GZIPInputStream(in, BUFFER);
      case ZSTD -> new ZstdInputStream(in);
    };
  }
}
