package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.github.luben.zstd.ZstdInputStream;
import java.io.ByteArrayInputStream;
import java.io.Closeable;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.util.Iterator;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import org.apache.hadoop.fs.ChecksumFileSystem;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.security.AccessControlException;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.RejectedRow;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.LfsPointer;
import org.sparkfinetune.store.Store;

/** The rows of text files, split after split; what each split came to goes into the counts. */
final class TextInput implements InputRows {
  private static final int BUFFER = 256 << 10;

  /** The largest window that zstd can be told to use is 2 GiB; it takes so much only for such. */
  private static final int LONGEST_ZSTD_WINDOW_LOG = 31;

  /**
   * A file that cannot be read to its end. The job fails, because nobody can count the rows that
   * would be lost; no task fails, because to try again would not help.
   */
  static final class UnreadableFile extends IOException {
    private static final long serialVersionUID = 1L;

    UnreadableFile(String message) {
      super(message);
    }

    UnreadableFile(String message, Throwable cause) {
      super(message, cause);
    }
  }

  /** The rows of one split. */
  interface Rows extends Closeable {
    /**
     * Returns false behind the last row.
     *
     * @throws UnreadableFile if the file cannot be read to its end
     */
    boolean next() throws IOException;

    /** 1 for the first line (JSON lines) or row of the split. */
    long number();

    /** The columns of the row. */
    ObjectNode tree() throws RejectedRow;

    String excerpt();

    /** Lines without a row in them so far. */
    long blankLines();
  }

  private final Iterator<TextSplit> splits;
  private final Store store;
  private final ReadCounts counts;
  private @Nullable TextSplit split;
  private @Nullable Rows rows;

  TextInput(Iterator<TextSplit> splits, Store store, ReadCounts counts) {
    this.splits = splits;
    this.store = store;
    this.counts = counts;
  }

  @Override
  public boolean next() throws IOException {
    while (rows != null || splits.hasNext()) {
      try {
        if (rows == null) {
          split = splits.next();
          rows = open(split, store);
        }
        if (rows.next()) {
          return true;
        }
        counts.endOfSplit(split().id(), rows.number(), rows.blankLines());
      } catch (UnreadableFile e) {
        counts.unreadable(split().file().index(), String.valueOf(e.getMessage()));
      }
      if (rows != null) {
        rows.close();
        rows = null;
      }
    }
    return false;
  }

  private static Rows open(TextSplit split, Store store) throws IOException {
    InputFile file = split.file();
    if (!split.first()) {
      // A line that begins at the very start of the split shows by the line end before it.
      long start = split.start() - 1;
      InputStream in = stream(file, start, store);
      return new JsonRows(
          new JsonRows.Lines(in, start, split.end(), JsonRows.Beginning.INSIDE_A_LINE));
    }
    Head head = Head.of(file, store);
    return switch (file.format()) {
      case CSV -> new CsvRows(new ReadBuffer(head.text()), file.csv());
      case JSON -> {
        boolean whole = split.end() == file.length();
        JsonRows.Layout layout = whole ? head.layout() : JsonRows.Layout.LINES;
        yield new JsonRows(
            switch (layout) {
              case ARRAY -> new JsonArray(new ReadBuffer(head.text()));
              case OBJECTS -> new JsonObjects(new ReadBuffer(head.text()));
              case LINES -> lines(split, head);
            });
      }
      case PARQUET, TABLE -> throw new IllegalArgumentException("Spark reads it: " + split);
    };
  }

  private static JsonRows.Lines lines(TextSplit split, Head head) {
    long end = split.file().splittable() ? split.end() : Long.MAX_VALUE;
    return new JsonRows.Lines(head.text(), head.start(), end, JsonRows.Beginning.OF_A_LINE);
  }

  /** Whether a JSON file has a row on each line, so that it can be split. */
  static boolean hasLines(InputFile file, Store store) {
    try (Head head = Head.of(file, store)) {
      return head.layout() == JsonRows.Layout.LINES;
    } catch (UnreadableFile e) {
      // The reading pass meets it again, and names it with the others.
      return true;
    } catch (IOException e) {
      throw new UserError("input: cannot read %s: %s".formatted(file.uri(), e.getMessage()), e);
    }
  }

  /**
   * The first bytes of a file.
   *
   * @param start length of the byte order mark
   */
  private record Head(byte[] bytes, int start, InputStream rest) implements Closeable {
    private static final int LENGTH = 64 << 10;

    static Head of(InputFile file, Store store) throws IOException {
      InputStream in = stream(file, 0, store);
      try {
        byte[] bytes = in.readNBytes(LENGTH);
        refuseUtf16(bytes);
        refuseLoneReturns(bytes, file.format());
        boolean mark = bytes.length >= 3 && at(bytes, 0) == 0xEF;
        mark = mark && at(bytes, 1) == 0xBB && at(bytes, 2) == 0xBF;
        return new Head(bytes, mark ? 3 : 0, in);
      } catch (IOException e) {
        in.close();
        throw e;
      }
    }

    private static int at(byte[] bytes, int index) {
      return index < bytes.length ? bytes[index] & 0xff : -1;
    }

    /** By its byte order mark, or the zero that half of an ASCII character is. */
    private static void refuseUtf16(byte[] bytes) throws UnreadableFile {
      int first = at(bytes, 0);
      int second = at(bytes, 1);
      boolean little = (first == 0xFF && second == 0xFE) || (first > 0 && second == 0);
      boolean big = (first == 0xFE && second == 0xFF) || (first == 0 && second > 0);
      if (little || big) {
        String encoding = little ? "UTF-16LE" : "UTF-16BE";
        throw new UnreadableFile(
            "the text is %s, but prepare reads UTF-8. Convert the file: iconv -f %s -t UTF-8"
                .formatted(encoding, encoding));
      }
    }

    /** Old Macs ended lines so; to JSON a carriage return is white space, to CSV part of a text. */
    private static void refuseLoneReturns(byte[] bytes, InputFile.Format format)
        throws UnreadableFile {
      JsonNesting nesting = new JsonNesting();
      boolean begun = false;
      boolean ended = false;
      for (byte b : bytes) {
        if (b == '\n') {
          return;
        }
        if (ended && !JsonNesting.isSpace(b)) {
          throw new UnreadableFile(
              "the lines end with lone carriage returns (CR), but prepare reads LF and CRLF. Convert the file: tr '\\r' '\\n' < FILE > NEW");
        }
        nesting.take(b);
        begun |= !JsonNesting.isSpace(b);
        ended |= begun && b == '\r' && (format == InputFile.Format.CSV || nesting.isOutside());
      }
    }

    JsonRows.Layout layout() {
      return JsonRows.Layout.of(bytes, start, bytes.length);
    }

    /** All of the file behind the byte order mark. */
    InputStream text() {
      InputStream head = new ByteArrayInputStream(bytes, start, bytes.length - start);
      return new SequenceInputStream(head, rest);
    }

    @Override
    public void close() throws IOException {
      rest.close();
    }
  }

  private static InputStream stream(InputFile file, long start, Store store) throws IOException {
    Path path = new Path(file.uri());
    FSDataInputStream in;
    try {
      in = fileSystem(path, store).open(path, BUFFER);
    } catch (FileNotFoundException | AccessControlException e) {
      throw new UnreadableFile("cannot be opened: " + e.getMessage(), e);
    }
    try {
      if (file.length() <= LfsPointer.LONGEST
          && LfsPointer.isAt(in.readNBytes(LfsPointer.LONGEST))) {
        throw new UnreadableFile(LfsPointer.WHAT);
      }
      in.seek(start);
      return switch (file.compression()) {
        case NONE -> in;
        case GZIP -> new Unpacked(new GZIPInputStream(in, BUFFER));
        case ZSTD -> new Unpacked(new ZstdInputStream(in).setLongMax(LONGEST_ZSTD_WINDOW_LOG));
      };
    } catch (IOException e) {
      in.close();
      throw Unpacked.explained(e);
    }
  }

  /**
   * Where a name has a colon, Hadoop cannot name the file of its checksums, and does not open it.
   */
  private static FileSystem fileSystem(Path path, Store store) throws IOException {
    FileSystem fileSystem = store.fileSystem(path);
    return path.getName().contains(":") && fileSystem instanceof ChecksumFileSystem checked
        ? checked.getRawFileSystem()
        : fileSystem;
  }

  /** Tells compressed data that is broken from a store that fails, which is worth another try. */
  private static final class Unpacked extends FilterInputStream {
    Unpacked(InputStream in) {
      super(in);
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
      try {
        return super.read(bytes, offset, length);
      } catch (IOException e) {
        throw explained(e);
      }
    }

    static IOException explained(IOException e) {
      // zstd-jni's own type is no Java standard class, and tells no failure of a store.
      boolean broken =
          e instanceof EOFException
              || e instanceof ZipException
              || e.getClass().getSimpleName().startsWith("Zstd");
      return broken ? new UnreadableFile("the compressed data is broken: " + e.getMessage(), e) : e;
    }
  }

  private TextSplit split() {
    if (split == null) {
      throw new Bug("A row was asked for before the first.");
    }
    return split;
  }

  private Rows rows() {
    if (rows == null) {
      throw new Bug("A row was asked for behind the last.");
    }
    return rows;
  }

  @Override
  public Position position() {
    return new Position(split().file().index(), split().index(), rows().number());
  }

  @Override
  public long splitStart() {
    return split().start();
  }

  @Override
  public InputFile file() {
    return split().file();
  }

  @Override
  public ObjectNode tree() throws RejectedRow {
    return rows().tree();
  }

  @Override
  public String excerpt() {
    return rows().excerpt();
  }
}
