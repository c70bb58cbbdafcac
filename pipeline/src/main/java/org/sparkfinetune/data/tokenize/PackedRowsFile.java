package org.sparkfinetune.data.tokenize;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.hadoop.ParquetReader;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * Packed rows in a mapped local file of fixed-width rows (four little-endian arrays of int one
 * after the other): any row in any order, without holding the data set in memory. The file has no
 * name any more once it is mapped, so it goes when the process does, however it ends.
 */
public final class PackedRowsFile implements PackedRows {
  private static final int COLUMNS = 4;

  /** A mapping holds less than 2 GiB. */
  private static final long MAPPED_BYTES = 1L << 30;

  private final int size;
  private final int rowLength;
  private final int rowsPerMapping;
  private final List<MappedByteBuffer> mappings;

  private PackedRowsFile(
      int size, int rowLength, int rowsPerMapping, List<MappedByteBuffer> mappings) {
    this.size = size;
    this.rowLength = rowLength;
    this.rowsPerMapping = rowsPerMapping;
    this.mappings = mappings;
  }

  /**
   * Copies the rows of {@code <split>-*.parquet}, in the order of the files' names.
   *
   * @param scratch a local folder with room for 16 bytes a token
   * @throws UserError if the files are no packed rows of one length
   */
  public static PackedRowsFile copyOf(
      Path folder, String split, Store store, java.nio.file.Path scratch) {
    try {
      Files.createDirectories(scratch);
      java.nio.file.Path local = Files.createTempFile(scratch, "packed-" + split, ".rows");
      try (FileChannel channel =
          FileChannel.open(local, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
        Copy copy = new Copy(channel);
        for (Path file : files(folder, split, store)) {
          copy.file(file, store);
        }
        return copy.map();
      } finally {
        Files.deleteIfExists(local);
      }
    } catch (IOException e) {
      throw new RunFailure(
          "The packed rows '%s/%s-*.parquet' cannot be copied to '%s': %s. Check that both are there and that the disk has room."
              .formatted(folder, split, scratch, e.getMessage()),
          e);
    }
  }

  /** Whether a folder has rows of a split. */
  public static boolean exists(Path folder, String split, Store store) throws IOException {
    return !files(folder, split, store).isEmpty();
  }

  /** The first row of a split, if it has one. */
  public static Optional<PackedRow> first(Path folder, String split, Store store) {
    try {
      for (Path file : files(folder, split, store)) {
        try (ParquetReader<PackedRow> reader = PackedRowsParquet.reader(file, store)) {
          PackedRow row = reader.read();
          if (row != null) {
            return Optional.of(row);
          }
        }
      }
      return Optional.empty();
    } catch (IOException e) {
      throw new RunFailure(
          "The packed rows in '%s' cannot be read: %s".formatted(folder, e.getMessage()), e);
    }
  }

  private static List<Path> files(Path folder, String split, Store store) throws IOException {
    try {
      return Arrays.stream(store.fileSystem(folder).listStatus(folder))
          .map(FileStatus::getPath)
          .filter(file -> file.getName().startsWith(split + "-"))
          .filter(file -> file.getName().endsWith(".parquet"))
          .sorted(Comparator.comparing(Path::getName))
          .toList();
    } catch (FileNotFoundException none) {
      return List.of();
    }
  }

  private static final class Copy {
    private final FileChannel channel;
    private int rowLength = 0;
    private int rows = 0;
    private ByteBuffer buffer = ByteBuffer.allocate(0);

    Copy(FileChannel channel) {
      this.channel = channel;
    }

    void file(Path file, Store store) throws IOException {
      try (ParquetReader<PackedRow> reader = PackedRowsParquet.reader(file, store)) {
        for (PackedRow row = reader.read(); row != null; row = reader.read()) {
          check(file, row);
          write(row);
        }
      }
    }

    private void check(Path file, PackedRow row) {
      if (rows == 0) {
        rowLength = row.length();
        buffer =
            ByteBuffer.allocateDirect(COLUMNS * Integer.BYTES * rowLength)
                .order(ByteOrder.LITTLE_ENDIAN);
      }
      boolean even =
          row.length() == rowLength
              && row.labels().length == rowLength
              && row.positionIds().length == rowLength
              && row.segmentIds().length == rowLength;
      if (!even) {
        throw new UserError(
            "Row %s of '%s' has arrays of another length than %s, the length of the first row."
                .formatted(rows, file, rowLength));
      }
    }

    private void write(PackedRow row) throws IOException {
      buffer.clear();
      buffer
          .asIntBuffer()
          .put(row.inputIds())
          .put(row.labels())
          .put(row.positionIds())
          .put(row.segmentIds());
      while (buffer.hasRemaining()) {
        channel.write(buffer);
      }
      rows++;
    }

    PackedRowsFile map() throws IOException {
      long rowBytes = (long) COLUMNS * Integer.BYTES * rowLength;
      int rowsPerMapping = (int) Math.max(1, MAPPED_BYTES / Math.max(1, rowBytes));
      List<MappedByteBuffer> mappings = new ArrayList<>();
      for (long first = 0; first < rows; first += rowsPerMapping) {
        long bytes = Math.min(rowsPerMapping, rows - first) * rowBytes;
        mappings.add(channel.map(FileChannel.MapMode.READ_ONLY, first * rowBytes, bytes));
      }
      return new PackedRowsFile(rows, rowLength, rowsPerMapping, mappings);
    }
  }

  @Override
  public int size() {
    return size;
  }

  @Override
  public int rowLength() {
    return rowLength;
  }

  @Override
  public PackedRow row(int index) {
    if (index < 0 || index >= size) {
      throw new IndexOutOfBoundsException("row " + index + " of " + size);
    }
    ByteBuffer mapping =
        mappings.get(index / rowsPerMapping).duplicate().order(ByteOrder.LITTLE_ENDIAN);
    int first = (index % rowsPerMapping) * COLUMNS * rowLength * Integer.BYTES;
    return new PackedRow(
        column(mapping, first, 0),
        column(mapping, first, 1),
        column(mapping, first, 2),
        column(mapping, first, 3));
  }

  private int[] column(ByteBuffer mapping, int first, int column) {
    int[] values = new int[rowLength];
    mapping.position(first + column * rowLength * Integer.BYTES);
    mapping.asIntBuffer().get(values);
    return values;
  }

  /** Unmapping is left to the garbage collector, as Java has no safe way to force it. */
  @Override
  public void close() {
    mappings.clear();
  }
}
