package org.sparkfinetune.engine.exchange;

import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Direct buffers for bytes that arrive, reused by size: layers have few sizes, and a fresh direct
 * buffer costs zeroing, page faults and, at the limit of direct memory, a full collection. A buffer
 * that is never given back is simply collected. Written here because pools of other libraries hand
 * out their own buffer types.
 */
final class BufferPool {
  private static final int GRAIN = 4096;

  /** Compares the handed-out object, not its content as {@link ByteBuffer#equals} does. */
  private static final class Lent extends WeakReference<ByteBuffer> {
    private final int hash;

    Lent(ByteBuffer view, @Nullable ReferenceQueue<ByteBuffer> queue) {
      super(view, queue);
      this.hash = System.identityHashCode(view);
    }

    @Override
    @SuppressWarnings("ReferenceEquality")
    public boolean equals(@Nullable Object other) {
      if (this == other) {
        return true;
      }
      ByteBuffer view = get();
      return view != null && other instanceof Lent lent && lent.get() == view;
    }

    @Override
    public int hashCode() {
      return hash;
    }
  }

  private final Map<Integer, Deque<ByteBuffer>> free = new HashMap<>();
  private final Map<Lent, Runnable> lent = new HashMap<>();
  private final ReferenceQueue<ByteBuffer> collected = new ReferenceQueue<>();
  private final long limit;
  private long freeBytes;

  /** Keeps at most {@code limit} unused bytes. */
  BufferPool(long limit) {
    this.limit = limit;
  }

  /** A writable buffer of exactly {@code length} bytes, little-endian, with any content. */
  ByteBuffer take(int length) {
    int capacity = rounded(length);
    synchronized (this) {
      Deque<ByteBuffer> same = free.get(capacity);
      ByteBuffer reused = same == null ? null : same.poll();
      if (reused != null) {
        freeBytes -= capacity;
        return reused.clear().limit(length).order(ByteOrder.LITTLE_ENDIAN);
      }
    }
    return ByteBuffer.allocateDirect(capacity).limit(length).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** The read-only view of a filled buffer that goes to the caller and may come back. */
  ByteBuffer lend(ByteBuffer filled) {
    return lend(
        filled.slice(0, filled.limit()).asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN),
        () -> keep(filled));
  }

  /**
   * A view of other memory.
   *
   * @param recycle what is to be done when it comes back; must not hold the view itself
   */
  synchronized ByteBuffer lend(ByteBuffer view, Runnable recycle) {
    forgetCollected();
    lent.put(new Lent(view, collected), recycle);
    return view;
  }

  void recycle(ByteBuffer view) {
    Runnable recycle;
    synchronized (this) {
      recycle = lent.remove(new Lent(view, null));
    }
    if (recycle != null) {
      recycle.run();
    }
  }

  private synchronized void keep(ByteBuffer buffer) {
    if (freeBytes + buffer.capacity() <= limit) {
      free.computeIfAbsent(buffer.capacity(), size -> new ArrayDeque<>()).add(buffer);
      freeBytes += buffer.capacity();
    }
  }

  private void forgetCollected() {
    for (Object gone = collected.poll(); gone != null; gone = collected.poll()) {
      lent.remove(gone);
    }
  }

  private static int rounded(int length) {
    return length > Integer.MAX_VALUE - GRAIN ? length : (length + GRAIN - 1) / GRAIN * GRAIN;
  }
}
