package org.sparkfinetune.engine.checkpoint;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
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
  private static final int CHUNK = 1 << 20;

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
   * @throws UserError if a rank's file lacks the part
   */
  public void read(String part, long first, FloatBuffer out) {
    long slice = elements(part);
    long at = first;
    while (out.hasRemaining()) {
      long rank = at / slice;
      if (rank >= files.size()) {
        out.put(0);
      } else {
        int count = (int) Math.min(Math.min(out.remaining(), CHUNK), slice - at % slice);
        ByteBuffer bytes = ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        files.get((int) rank).read(part, at % slice * Float.BYTES, bytes);
        out.put(bytes.flip().asFloatBuffer());
        at += count;
      }
    }
  }

  private long elements(String part) {
    long elements = -1;
    for (SafetensorsFile file : files) {
      TensorInfo info = file.info(part);
      long own = info.byteCount() / Float.BYTES;
      if (info.dtype() != DType.F32 || own == 0 || (elements >= 0 && own != elements)) {
        throw new UserError(
            "%s: %s is not a slice as the other ranks have it. Delete this checkpoint to go on from"
                    .formatted(file.where(), part)
                + " an earlier one.");
      }
      elements = own;
    }
    return elements;
  }

  @Override
  public void close() {
    files.forEach(SafetensorsFile::close);
  }
}
