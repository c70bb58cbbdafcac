package org.sparkfinetune.store;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.StreamCapabilities;

/**
 * A file that appears under its name as a whole or not at all. Stores that append write it aside,
 * flush it to the disk and rename it, in place of an older one; an object appears when its stream
 * is closed, so there it is written under its own name. Every failure is a RunFailure.
 */
public final class AtomicFile extends OutputStream {
  private static final int CHUNK = 1 << 20;
  private static final int BUFFER = 1 << 18;

  private final Store store;
  private final FileSystem files;
  private final Path target;
  private final Path written;
  private final Durability durability;
  private final FSDataOutputStream out;
  private byte[] chunk = new byte[0];
  private boolean closed;
  private boolean committed;

  /** Opened by {@link Store#create}. */
  AtomicFile(Store store, Path target, Durability durability) throws IOException {
    this.store = store;
    this.target = target;
    this.files = store.fileSystem(target);
    this.written = store.appends(target) ? Store.aside(target) : target;
    this.durability = durability;
    this.out = files.create(written, true, BUFFER);
  }

  /** What is left of a file after a power cut. */
  enum Durability {
    /** The file is on the disk before it has its name. */
    FLUSHED,
    /** The operating system writes it when it likes. */
    CACHED
  }

  @Override
  public void write(int b) {
    write(new byte[] {(byte) b}, 0, 1);
  }

  @Override
  public void write(byte[] bytes, int offset, int length) {
    Store.run("written", target, () -> out.write(bytes, offset, length));
  }

  /** The next bytes, from the buffer's position to its limit. */
  public void write(ByteBuffer bytes) {
    if (bytes.hasArray()) {
      write(bytes.array(), bytes.arrayOffset() + bytes.position(), bytes.remaining());
      bytes.position(bytes.limit());
      return;
    }
    if (chunk.length == 0) {
      chunk = new byte[CHUNK];
    }
    while (bytes.hasRemaining()) {
      int n = Math.min(chunk.length, bytes.remaining());
      bytes.get(chunk, 0, n);
      write(chunk, 0, n);
    }
  }

  /** Bytes written so far. */
  public long position() {
    return out.getPos();
  }

  /** Makes the file visible, in place of an older one. */
  public void commit() {
    Store.run("written", target, this::commitOrThrow);
  }

  private void commitOrThrow() throws IOException {
    boolean aside = !written.equals(target);
    if (aside && durability == Durability.FLUSHED) {
      // Before the rename, or a power cut could leave the name on an empty file.
      out.hsync();
    }
    closed = true;
    out.close();
    if (aside) {
      if (files instanceof RawLocalFileSystem) {
        // Hadoop's checksum of an older file of this name would condemn the new one.
        files.delete(new Path(target.getParent(), "." + target.getName() + ".crc"), false);
      }
      new Renaming(store).file(written, target);
    }
    committed = true;
  }

  /** Removes what was written, unless it was committed. */
  @Override
  public void close() {
    if (!committed) {
      Store.run("written", target, this::discard);
    }
  }

  private void discard() throws IOException {
    if (!written.equals(target)) {
      try {
        if (!closed) {
          out.close();
        }
      } finally {
        files.delete(written, false);
      }
    } else if (out.hasCapability(StreamCapabilities.ABORTABLE_STREAM)) {
      out.abort();
    }
    // Closing any other object's stream would show what was written so far.
  }
}
