package org.sparkfinetune.engine.checkpoint;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * The checkpoints of a run folder: which are complete, which of them are whole, and how a new one
 * becomes visible. One process writes at a time.
 */
public final class CheckpointStore {
  private static final Logger LOG = LoggerFactory.getLogger(CheckpointStore.class);
  private static final String ASIDE = ".writing-";

  private final RunFolder folder;
  private final Store files;
  private final FileCheck check;

  /** Reads the files of checkpoints in the process that it is in. */
  public CheckpointStore(RunFolder folder, Store files) {
    this(
        folder,
        files,
        (checkpoint, states) ->
            states.stream()
                .flatMap(
                    state ->
                        state.damage(checkpoint, files).stream()
                            .map(what -> new Path(checkpoint, state.name()) + " " + what))
                .toList());
  }

  /**
   * A store of checkpoints.
   *
   * @param check reads the files of checkpoints
   */
  public CheckpointStore(RunFolder folder, Store files, FileCheck check) {
    this.folder = folder;
    this.files = files;
    this.check = check;
  }

  /** Reads files of a checkpoint, wherever that is done best. */
  @FunctionalInterface
  public interface FileCheck {
    /** A line for each file that is missing, cut off or altered, beginning with its path. */
    List<String> damages(Path checkpoint, List<StateFile> states);
  }

  /** A checkpoint that was found. */
  public record Found(Path path, CheckpointManifest manifest) {}

  /** Step of the newest complete checkpoint; its files are not looked at. */
  public OptionalLong newest() {
    List<Long> steps = complete();
    return steps.isEmpty() ? OptionalLong.empty() : OptionalLong.of(steps.get(steps.size() - 1));
  }

  /**
   * The newest checkpoint that a run can go on from and whose files have the sizes and checksums of
   * its manifest; those that do not are named in the log.
   */
  public Optional<Found> newestWhole() {
    List<Long> steps = complete();
    for (int i = steps.size() - 1; i >= 0; i--) {
      try {
        Path path = folder.checkpoint(steps.get(i));
        if (manifest(path).isWhole()) {
          return Optional.of(open(path));
        }
      } catch (UserError damaged) {
        LOG.warn("This checkpoint is passed over: {}", damaged.getMessage());
      }
    }
    return Optional.empty();
  }

  /** The newest that holds so much; its files are not looked at. */
  public Optional<Found> newest(CheckpointManifest.Contents contents) {
    List<Long> steps = complete();
    for (int i = steps.size() - 1; i >= 0; i--) {
      try {
        Path path = folder.checkpoint(steps.get(i));
        CheckpointManifest manifest = manifest(path);
        if (manifest.contents() == contents) {
          return Optional.of(new Found(path, manifest));
        }
      } catch (UserError damaged) {
        LOG.debug("Passed over: {}", damaged.getMessage());
      }
    }
    return Optional.empty();
  }

  /**
   * A checkpoint at any path, checked.
   *
   * @throws UserError if there is none, or a file of it is missing, cut off or altered
   */
  public Found open(Path named) {
    Path path = files.qualified(named);
    CheckpointManifest manifest = manifest(path);
    List<String> damages = check.damages(path, manifest.files());
    if (!damages.isEmpty()) {
      throw new UserError(
          "%s, so the checkpoint cannot be used. Restore the file, or let resume_from_checkpoint"
                  .formatted(String.join("; ", damages))
              + " name another checkpoint.");
    }
    return new Found(path, manifest);
  }

  /**
   * A checkpoint's manifest alone, for those who know that the files were checked.
   *
   * @throws UserError if there is none
   */
  public CheckpointManifest manifest(Path path) {
    byte[] json =
        manifestBytes(path)
            .orElseThrow(
                () ->
                    new UserError(
                        "%s holds no complete checkpoint: there is no %s in it."
                            .formatted(path, CheckpointManifest.NAME)));
    return CheckpointManifest.parse(json, new Path(path, CheckpointManifest.NAME).toString());
  }

  private Optional<byte[]> manifestBytes(Path checkpoint) {
    return files.read(new Path(checkpoint, CheckpointManifest.NAME));
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
      files.rename(writing, visible);
    }
  }

  /**
   * Deletes the oldest complete checkpoints until {@code limit} are left.
   *
   * @param best one that is never deleted; it counts among them, but beside the newest
   */
  public void prune(int limit, OptionalLong best) {
    List<Long> steps = complete();
    List<Long> old =
        steps.stream()
            .limit(Math.max(0, steps.size() - 1L))
            .filter(step -> best.isEmpty() || step != best.getAsLong())
            .toList();
    for (int i = 0; i < Math.min(old.size(), steps.size() - limit); i++) {
      delete(folder.checkpoint(old.get(i)));
    }
  }

  /** Whether a step has a complete checkpoint. */
  public boolean has(long step) {
    return isComplete(folder.checkpoint(step));
  }

  /** Deletes what killed starts left unfinished. */
  public void sweep() {
    for (Path path : files.folders(folder.checkpoints())) {
      boolean named = RunFolder.stepOf(path).isPresent();
      if ((named && !isComplete(path)) || path.getName().startsWith(ASIDE)) {
        files.delete(path);
      }
    }
  }

  /** Deletes all checkpoints but those that were set aside. */
  public void clear() {
    sweep();
    complete().forEach(step -> delete(folder.checkpoint(step)));
    files.delete(folder.origin());
  }

  /**
   * The checkpoint of another run folder that the checkpoints here descend from, if one was set.
   */
  public Optional<Path> origin() {
    return files
        .read(folder.origin())
        .map(text -> new Path(new String(text, StandardCharsets.UTF_8).strip()));
  }

  /**
   * Makes {@code start} the newest checkpoint of this run: others that the run does not come from
   * are moved to a folder of their own, where neither a start nor a pruning sees them.
   *
   * @return that folder, if there were others
   */
  public Optional<RunFolder> goBackTo(Found start) {
    boolean own = isOwn(start);
    if (!own) {
      byte[] origin = (start.path() + "\n").getBytes(StandardCharsets.UTF_8);
      files.replace(folder.origin(), origin);
    }
    List<Long> others =
        complete().stream().filter(step -> !own || step > start.manifest().step()).toList();
    if (others.isEmpty()) {
      return Optional.empty();
    }
    RunFolder aside = folder.nextAside(files);
    String about =
        "Set aside when the run went back to step %s (%s): steps %s.%n"
            .formatted(start.manifest().step(), start.path(), others);
    files.replace(
        new Path(aside.checkpoints(), "about.txt"), about.getBytes(StandardCharsets.UTF_8));
    for (Long step : others) {
      files.rename(folder.checkpoint(step), aside.checkpoint(step));
    }
    return Optional.of(aside);
  }

  /** Whether this folder has it, by whatever path it was named. */
  public boolean isOwn(Found start) {
    Optional<byte[]> own = manifestBytes(folder.checkpoint(start.manifest().step()));
    Optional<byte[]> named = manifestBytes(start.path());
    return own.isPresent() && named.isPresent() && Arrays.equals(own.get(), named.get());
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
    files.delete(checkpoint);
  }
}
