package org.sparkfinetune.checkpoint;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.zip.CRC32C;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
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
  private final Configuration hadoop;

  public CheckpointStore(RunFolder folder, Configuration hadoop) {
    this.folder = folder;
    this.hadoop = hadoop;
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
        doing("read", file, () -> read(file))
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
    return renames() ? new Path(visible.getParent(), ASIDE + visible.getName()) : visible;
  }

  /** Makes the checkpoint visible; all its files have been written. */
  public void commit(CheckpointManifest manifest) {
    Path writing = writing(manifest.step());
    Path visible = folder.checkpoint(manifest.step());
    Path file = new Path(writing, CheckpointManifest.NAME);
    doing(
        "written",
        file,
        () -> {
          try (var out = files(file).create(file, true)) {
            out.write(manifest.json());
            if (!writing.equals(visible)) {
              out.hsync();
            }
          }
          if (!writing.equals(visible)) {
            // One of the same step can only be from a start that went back behind it.
            files(visible).delete(visible, true);
            if (!files(visible).rename(writing, visible)) {
              throw new IOException("renaming " + writing + " was refused");
            }
          }
          return visible;
        });
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
    for (FileStatus status : list()) {
      boolean complete = RunFolder.stepOf(status.getPath()).isPresent() && hasManifest(status);
      boolean ours =
          RunFolder.stepOf(status.getPath()).isPresent()
              || status.getPath().getName().startsWith(ASIDE);
      if (ours && !complete) {
        delete(status.getPath());
      }
    }
  }

  /** Deletes all checkpoints. */
  public void clear() {
    sweep();
    complete().forEach(step -> delete(folder.checkpoint(step)));
  }

  private List<Long> complete() {
    List<Long> steps = new ArrayList<>();
    for (FileStatus status : list()) {
      OptionalLong step = RunFolder.stepOf(status.getPath());
      if (step.isPresent() && hasManifest(status)) {
        steps.add(step.getAsLong());
      }
    }
    steps.sort(null);
    return steps;
  }

  private boolean hasManifest(FileStatus checkpoint) {
    Path file = new Path(checkpoint.getPath(), CheckpointManifest.NAME);
    return doing("looked up", file, () -> files(file).exists(file));
  }

  private List<FileStatus> list() {
    Path path = folder.checkpoints();
    return doing(
        "listed",
        path,
        () -> {
          try {
            return List.of(files(path).listStatus(path));
          } catch (FileNotFoundException e) {
            return List.of();
          }
        });
  }

  private void check(Path checkpoint, StateFile state) {
    Path file = new Path(checkpoint, state.name());
    String what = doing("read", file, () -> difference(file, state));
    if (!what.isEmpty()) {
      throw new UserError(
          "%s %s, so the checkpoint cannot be used. Restore the file, or let resume_from_checkpoint"
                  .formatted(file, what)
              + " name another checkpoint.");
    }
  }

  private String difference(Path file, StateFile state) throws IOException {
    CRC32C crc = new CRC32C();
    long bytes = 0;
    byte[] buffer = new byte[BUFFER];
    try (FSDataInputStream in = files(file).open(file)) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        crc.update(buffer, 0, n);
        bytes += n;
      }
    } catch (FileNotFoundException e) {
      return "is missing";
    }
    if (bytes != state.bytes()) {
      return "has %d bytes instead of %d".formatted(bytes, state.bytes());
    }
    return crc.getValue() == state.crc32c()
        ? ""
        : "has the checksum %08x instead of %08x".formatted(crc.getValue(), state.crc32c());
  }

  private Optional<byte[]> read(Path file) throws IOException {
    try (FSDataInputStream in = files(file).open(file)) {
      return Optional.of(in.readAllBytes());
    } catch (FileNotFoundException e) {
      return Optional.empty();
    }
  }

  private void delete(Path path) {
    // Without its manifest it is no checkpoint any more, should the rest be left by a kill.
    Path manifest = new Path(path, CheckpointManifest.NAME);
    doing("deleted", manifest, () -> files(manifest).delete(manifest, false));
    doing("deleted", path, () -> files(path).delete(path, true));
  }

  /** Stores that append rename folders in one move as well; object stores do neither. */
  private boolean renames() {
    Path path = folder.checkpoints();
    return doing(
        "reached",
        path,
        () -> files(path).hasPathCapability(path, CommonPathCapabilities.FS_APPEND));
  }

  /** Local files without Hadoop's checksum files beside them. */
  private FileSystem files(Path path) throws IOException {
    FileSystem files = path.getFileSystem(hadoop);
    return files instanceof LocalFileSystem local ? local.getRawFileSystem() : files;
  }

  private interface Action<T> {
    T run() throws IOException;
  }

  private static <T> T doing(String what, Path path, Action<T> action) {
    try {
      return action.run();
    } catch (IOException e) {
      throw new RunFailure(
          "%s could not be %s: %s; check that the store is there, has room and lets this user write"
              .formatted(path, what, e.getMessage()),
          e);
    }
  }
}
