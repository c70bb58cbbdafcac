package org.sparkfinetune.engine.exchange;

import com.sun.jna.Function;
import com.sun.jna.Native;
import com.sun.jna.NativeLong;
import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * Takes the pages of a file's mapping out of this process's resident memory. They stay in the
 * kernel's cache and come back when they are read again, so this is safe at any time. Without it a
 * rank would count every byte of every shard that it has ever read as its own, and a cluster
 * manager that watches resident memory would end it.
 */
final class ResidentPages {
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
   * @param mapped what remains of a read-only mapping of a file; of anything else the content would
   *     be lost
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
