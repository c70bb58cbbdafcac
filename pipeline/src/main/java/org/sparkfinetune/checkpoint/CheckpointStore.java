package org.sparkfinetune.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.zip.CRC32C;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.metrics.RunFiles;
import org.sparkfinetune.metrics.RunFolder;

/**
 * The checkpoints of a run folder: which are complete, which of them are whole, and how a new one
 * becomes visible. One process writes at a time.
 */
public final class CheckpointStore {
  private static final Logger LOG = LoggerFactory.getLogger(CheckpointStore.class);
  private static final String ASIDE = ".writing-";
  private static final int BUFFER = 1 << 20;

  private final RunFolder folder;
  private final RunFiles files;

  public CheckpointStore(RunFolder folder, RunFiles files) {
    this.folder = folder;
    this.files = files;
  }

  /** A checkpoint that was found. */
  public record Found(Path path, CheckpointManifest manifest) {}

  /** Step of the newest complete checkpoint; its files are not looked at. */
  public OptionalLong newest() {
    List<Long> steps = complete();
    return steps.isEmpty() ? OptionalLong.empty() : OptionalLong.of(steps.get(steps.size() - 1));
  }

  /**
   * The newest checkpoint whose files have the sizes and checksums of its manifest; those that do
   * not are named in the log.
   */
  public Optional<Found> newestWhole() {
    List<Long> steps = complete();
    for (int i = steps.size() - 1; i >= 0; i--) {
      try {
        return Optional.of(open(folder.checkpoint(steps.get(i))));
      } catch (UserError damaged) {
        LOG.warn("This checkpoint is passed over: {}", damaged.getMessage());
      }
    }
    return Optional.empty();
  }

  /**
   * A checkpoint at any path, checked.
   *
   * @throws UserError if there is none, or a file of it is missing, cut off or altered
   */
  public Found open(Path path) {
    CheckpointManifest manifest = manifest(path);
    manifest.files().forEach(state -> check(path, state));
    return new Found(path, manifest);
  }

  /**
   * A checkpoint's manifest alone, for those who know that the files were checked.
   *
   * @throws UserError if there is none
   */
  public CheckpointManifest manifest(Path path) {
    Path file = new Path(path, CheckpointManifest.NAME);
    byte[] json =
        files
            .read(file)
            .orElseThrow(
                () ->
                    new UserError(
                        "%s holds no complete checkpoint: there is no %s in it."
                            .formatted(path, CheckpointManifest.NAME)));
    return CheckpointManifest.parse(json, file.toString());
  }

  /** Where the files of a step's checkpoint are to be written; the same on every rank. */
  public Path writing(long step) {
    Path visible = folder.checkpoint(step);
    return files.renamesFolders(folder.checkpoints())
        ? new Path(visible.getParent(), ASIDE + visible.getName())
        : visible;
  }

  /** Makes the checkpoint visible; all its files have been written. */
  public void commit(CheckpointManifest manifest) {
    Path writing = writing(manifest.step());
    Path visible = folder.checkpoint(manifest.step());
    files.replace(new Path(writing, CheckpointManifest.NAME), manifest.json());
    if (!writing.equals(visible)) {
      // One of the same step can only be from a start that went back behind it.
      files.replaceFolder(writing, visible);
    }
  }

  /** Deletes all but the newest {@code limit} complete checkpoints. */
  public void prune(int limit) {
    List<Long> steps = complete();
    for (int i = 0; i < steps.size() - limit; i++) {
      delete(folder.checkpoint(steps.get(i)));
    }
  }

  /** Deletes what killed starts left unfinished. */
  public void sweep() {
    for (Path path : files.folders(folder.checkpoints())) {
      boolean named = RunFolder.stepOf(path).isPresent();
      if ((named && !isComplete(path)) || path.getName().startsWith(ASIDE)) {
        files.deleteFolder(path);
      }
    }
  }

  /** Deletes all checkpoints. */
  public void clear() {
    sweep();
    complete().forEach(step -> delete(folder.checkpoint(step)));
  }

  private List<Long> complete() {
    return files.folders(folder.checkpoints()).stream()
        .filter(path -> RunFolder.stepOf(path).isPresent() && isComplete(path))
        .map(path -> RunFolder.stepOf(path).getAsLong())
        .sorted()
        .toList();
  }

  private boolean isComplete(Path checkpoint) {
    return files.exists(new Path(checkpoint, CheckpointManifest.NAME));
  }

  private void delete(Path checkpoint) {
    // Without its manifest it is no checkpoint any more, should the rest be left by a kill.
    files.delete(new Path(checkpoint, CheckpointManifest.NAME));
    files.deleteFolder(checkpoint);
  }

  private void check(Path checkpoint, StateFile state) {
    Path file = new Path(checkpoint, state.name());
    String what = difference(file, state);
    if (!what.isEmpty()) {
      throw new UserError(
          "%s %s, so the checkpoint cannot be used. Restore the file, or let resume_from_checkpoint"
                  .formatted(file, what)
              + " name another checkpoint.");
    }
  }

  private String difference(Path file, StateFile state) {
    Optional<InputStream> stored = files.open(file);
    if (stored.isEmpty()) {
      return "is missing";
    }
    CRC32C crc = new CRC32C();
    long bytes = 0;
    byte[] buffer = new byte[BUFFER];
    try (InputStream in = stored.get()) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        crc.update(buffer, 0, n);
        bytes += n;
      }
    } catch (IOException e) {
      throw new RunFailure(file + " could not be read to its end: " + e.getMessage(), e);
    }
    if (bytes != state.bytes()) {
      return "has %s bytes instead of %s".formatted(bytes, state.bytes());
    }
    return crc.getValue() == state.crc32c()
        ? ""
        : String.format(
            Locale.ROOT, "has the checksum %08x instead of %08x", crc.getValue(), state.crc32c());
  }
}
