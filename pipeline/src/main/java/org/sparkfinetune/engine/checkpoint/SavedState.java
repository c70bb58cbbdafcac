package org.sparkfinetune.engine.checkpoint;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.SafetensorsFile;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.store.Store;

/**
 * A checkpoint opened for reading, whatever number of ranks wrote it: the slices of all its ranks,
 * one after the other, are a part's flat values.
 */
public final class SavedState implements AutoCloseable {
  private static final int CHUNK = 4 << 20;

  private final List<SafetensorsFile> files = new ArrayList<>();

  private SavedState() {}

  /**
   * Opens the files that the manifest lists.
   *
   * @throws UserError if one is missing or no safetensors file
   */
  public static SavedState open(Path folder, CheckpointManifest manifest, Store store) {
    SavedState state = new SavedState();
    try {
      for (StateFile file : manifest.files()) {
        state.files.add(SafetensorsFile.open(new Path(folder, file.name()), store));
      }
      return state;
    } catch (RuntimeException e) {
      state.close();
      throw e;
    }
  }

  /**
   * Fills {@code out} with a part's flat values from {@code first} on; zeros behind its end, where
   * another number of ranks pads otherwise.
   *
   * @param out little endian
   * @throws UserError if a rank's file lacks the part, or has it of another type
   */
  public void read(String part, DType type, long first, ByteBuffer out) {
    long at = first * type.bytes();
    for (SafetensorsFile file : files) {
      TensorInfo info = info(file, part, type);
      while (at < info.byteCount() && out.hasRemaining()) {
        int count = (int) Math.min(Math.min(out.remaining(), CHUNK), info.byteCount() - at);
        ByteBuffer bytes = ByteBuffer.allocate(count);
        file.read(part, at, bytes);
        out.put(bytes.flip());
        at += count;
      }
      at -= Math.min(at, info.byteCount());
    }
    while (out.hasRemaining()) {
      out.put((byte) 0);
    }
  }

  private static TensorInfo info(SafetensorsFile file, String part, DType type) {
    TensorInfo info = file.info(part);
    if (info.dtype() != type) {
      throw new UserError(
          "%s: %s has the type %s, not %s. Delete this checkpoint to go on from an earlier one."
              .formatted(file.where(), part, info.dtype(), type));
    }
    return info;
  }

  @Override
  public void close() {
    files.forEach(SafetensorsFile::close);
  }
}
