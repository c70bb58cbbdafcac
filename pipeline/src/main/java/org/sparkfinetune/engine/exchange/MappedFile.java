package org.sparkfinetune.engine.exchange;

import com.sun.jna.Function;
import com.sun.jna.Native;
import com.sun.jna.NativeLong;
import com.sun.jna.Pointer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A file of any size mapped read-only. A Java buffer ends at 2 GiB, so the file is mapped in
 * windows that start at every GiB and reach over the start of the next one: any read of up to a GiB
 * lies inside one window and needs no copy. Overlap costs addresses, not memory. Never unmapped by
 * hand: a view still in use would crash the JVM.
 */
final class MappedFile {
  private static final long STRIDE = 1L << 30;

  private final List<MappedByteBuffer> windows;
  private final long size;
  private final long stride;

  private MappedFile(List<MappedByteBuffer> windows, long size, long stride) {
    this.windows = List.copyOf(windows);
    this.size = size;
    this.stride = stride;
  }

  static MappedFile open(Path file) throws IOException {
    return open(file, STRIDE);
  }

  static MappedFile open(Path file, long stride) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long size = channel.size();
      List<MappedByteBuffer> windows = new ArrayList<>();
      for (long start = 0; start < size; start += stride) {
        long length = Math.min(size - start, Math.min(2 * stride, Integer.MAX_VALUE));
        windows.add(channel.map(MapMode.READ_ONLY, start, length));
      }
      return new MappedFile(windows, size, stride);
    }
  }

  long size() {
    return size;
  }

  /** A view where one window holds all of it, else a copy. */
  ByteBuffer read(long offset, int length) {
    if (length == 0) {
      return ByteBuffer.allocateDirect(0).asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
    }
    ByteBuffer first = rest(offset);
    if (first.remaining() >= length) {
      return first.slice(first.position(), length).order(ByteOrder.LITTLE_ENDIAN);
    }
    ByteBuffer copy = ByteBuffer.allocateDirect(length);
    copyTo(offset, copy);
    return copy.flip().asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Fills {@code target} from {@code offset} on. */
  void copyTo(long offset, ByteBuffer target) {
    long at = offset;
    while (target.hasRemaining()) {
      ByteBuffer piece = rest(at);
      int count = Math.min(piece.remaining(), target.remaining());
      target.put(piece.limit(piece.position() + count));
      at += count;
    }
  }

  /** Bytes that were read and are not needed for now leave this process's memory. */
  void release(long offset, long length) {
    long at = offset;
    while (at < offset + length) {
      ByteBuffer piece = rest(at);
      int count = (int) Math.min(piece.remaining(), offset + length - at);
      ResidentPages.release(piece.limit(piece.position() + count));
      at += count;
    }
  }

  private ByteBuffer rest(long offset) {
    int window = Math.toIntExact(offset / stride);
    return windows.get(window).duplicate().position(Math.toIntExact(offset % stride));
  }

  /**
   * Takes the pages of a file's mapping out of this process's resident memory. They stay in the
   * kernel's cache and come back when they are read again, so this is safe at any time. Without it
   * a rank would count every byte of every shard that it has ever read as its own, and a cluster
   * manager that watches resident memory would end it.
   */
  static final class ResidentPages {
    private static final int PAGE = 4096;

    /** {@code MADV_DONTNEED} of Linux. */
    private static final int DONT_NEED = 4;

    private static final Optional<Function> ADVISE = advise();

    private ResidentPages() {}

    private static Optional<Function> advise() {
      try {
        return Optional.of(Function.getFunction("c", "madvise"));
      } catch (LinkageError withoutNativeCode) {
        return Optional.empty();
      }
    }

    /**
     * Has no effect but on memory.
     *
     * @param mapped what remains of a read-only mapping of a file; of anything else the content
     *     would be lost
     */
    static void release(ByteBuffer mapped) {
      if (mapped.hasRemaining()) {
        ADVISE.ifPresent(advise -> release(advise, mapped));
      }
    }

    private static void release(Function advise, ByteBuffer mapped) {
      long address = Pointer.nativeValue(Native.getDirectBufferPointer(mapped)) + mapped.position();
      long start = address / PAGE * PAGE;
      long length = address + mapped.remaining() - start;
      advise.invokeInt(new Object[] {new Pointer(start), new NativeLong(length), DONT_NEED});
    }
  }
}
