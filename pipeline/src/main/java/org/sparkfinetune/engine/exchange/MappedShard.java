package org.sparkfinetune.engine.exchange;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.engine.exchange.Shard.FileRange;
import org.sparkfinetune.engine.exchange.Shard.ShardLayout;
import org.sparkfinetune.errors.Bug;

/** The bytes of a {@link Shard} through mappings of its files. */
final class MappedShard {
  /** Of which it is not worth to give the pages back. */
  private static final int FEW_BYTES = 1 << 18;

  private final ShardLayout layout;
  private final Map<Path, MappedFile> files;

  private MappedShard(ShardLayout layout, Map<Path, MappedFile> files) {
    this.layout = layout;
    this.files = Map.copyOf(files);
  }

  static MappedShard open(Shard shard) throws IOException {
    Map<Path, MappedFile> files = new HashMap<>();
    for (FileRange range : shard.ranges()) {
      MappedFile file = files.get(range.file());
      if (file == null) {
        file = MappedFile.open(range.file());
        files.put(range.file(), file);
      }
      if (range.offset() + range.length() > file.size()) {
        throw new IOException(
            "%s has %s bytes, too few for the range of %s bytes from %s"
                .formatted(range.file(), file.size(), range.length(), range.offset()));
      }
    }
    return new MappedShard(new ShardLayout(shard), files);
  }

  /**
   * A view where the bytes lie together in one file, else a copy. Either is to be given back to the
   * pool.
   */
  ByteBuffer read(long offset, int length, BufferPool buffers) {
    List<FileRange> pieces = layout.pieces(offset, length);
    if (pieces.size() == 1) {
      FileRange piece = pieces.get(0);
      MappedFile file = file(piece);
      ByteBuffer view = file.read(piece.offset(), length);
      return length < FEW_BYTES
          ? view
          : buffers.lend(view, () -> file.release(piece.offset(), length));
    }
    ByteBuffer copy = buffers.take(length);
    for (FileRange piece : pieces) {
      ByteBuffer target = copy.slice(copy.position(), Math.toIntExact(piece.length()));
      file(piece).copyTo(piece.offset(), target);
      file(piece).release(piece.offset(), piece.length());
      copy.position(copy.position() + Math.toIntExact(piece.length()));
    }
    return buffers.lend(copy.flip());
  }

  private MappedFile file(FileRange piece) {
    MappedFile file = files.get(piece.file());
    if (file == null) {
      throw new Bug("The shard's file " + piece.file() + " is not mapped.");
    }
    return file;
  }
}
