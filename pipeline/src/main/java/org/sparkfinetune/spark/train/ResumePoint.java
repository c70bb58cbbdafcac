package org.sparkfinetune.spark.train;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainConfig.Loop;
import org.sparkfinetune.config.TrainConfig.ResumeFrom;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.RunIdentity;
import org.sparkfinetune.engine.checkpoint.CheckpointStore;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.RunFolder.RunRecord;
import org.sparkfinetune.engine.train.ResumeState;
import org.sparkfinetune.engine.train.StepSchedule;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/** Decides where the starts of a run begin. */
final class ResumePoint {
  private static final Logger LOG = LoggerFactory.getLogger(ResumePoint.class);

  private final CheckpointStore store;
  private final RunIdentity identity;
  private final int rowsPerStep;
  private final ResumeFrom from;
  private final Optional<CheckpointStore.Found> first;
  private Optional<CheckpointStore.Found> next;

  private ResumePoint(
      CheckpointStore store,
      RunIdentity identity,
      int rowsPerStep,
      ResumeFrom from,
      Optional<CheckpointStore.Found> first) {
    this.store = store;
    this.identity = identity;
    this.rowsPerStep = rowsPerStep;
    this.from = from;
    this.first = first;
    this.next = first;
    first.ifPresent(this::check);
  }

  /**
   * Decides for the first start of a command; writes nothing.
   *
   * @throws UserError if the checkpoint belongs to another run, or there is none at a path
   */
  static ResumePoint decide(
      CheckpointStore store, RunIdentity identity, int worldSize, Loop loop, ResumeFrom from) {
    Optional<CheckpointStore.Found> first = Optional.empty();
    if (from instanceof ResumeFrom.Path path) {
      first = Optional.of(store.open(new Path(path.uri())));
      first.ifPresent(found -> checkWhole(found.path(), found.manifest()));
    } else if (from instanceof ResumeFrom.Auto) {
      first = store.newestWhole().or(() -> store.origin().map(at -> origin(store, at)));
      if (first.isEmpty()) {
        store
            .newest(CheckpointManifest.Contents.MODEL)
            .ifPresent(newest -> checkWhole(newest.path(), newest.manifest()));
      }
    }
    return new ResumePoint(store, identity, StepSchedule.rowsPerStep(worldSize, loop), from, first);
  }

  private static void checkWhole(Path checkpoint, CheckpointManifest manifest) {
    if (!manifest.isWhole()) {
      throw new UserError(
          ("%s holds the model alone, because save_only_model was true: without the optimizer's"
                  + " state no run goes on from it as if it had not ended. Let"
                  + " resume_from_checkpoint name a checkpoint that was written without"
                  + " save_only_model, or be never to begin again (which deletes the checkpoints),"
                  + " or give another output_dir.")
              .formatted(checkpoint));
    }
  }

  private static CheckpointStore.Found origin(CheckpointStore store, Path checkpoint) {
    try {
      return store.open(checkpoint);
    } catch (UserError e) {
      throw new UserError(
          "This run went on from %s and has no whole checkpoint of its own yet. %s"
                  .formatted(checkpoint, e.getMessage())
              + " resume_from_checkpoint: never begins again.",
          e);
    }
  }

  /**
   * Clears the way for the first start: {@code never} deletes the checkpoints, and a run that goes
   * back to a path leaves what lies after it in a folder of its own.
   */
  void leaveOthersBehind(RunFolder folder, Store files) {
    if (from instanceof ResumeFrom.Never) {
      if (store.newest().isPresent()) {
        LOG.warn(
            "resume_from_checkpoint is never: the checkpoints of the earlier run are deleted.");
      }
      store.clear();
    }
    if (from instanceof ResumeFrom.Path && first.isPresent()) {
      goBack(first.get(), folder, files);
    }
  }

  private void goBack(CheckpointStore.Found start, RunFolder folder, Store files) {
    boolean own = store.isOwn(start);
    Optional<RunFolder> aside = store.goBackTo(start);
    if (aside.isPresent()) {
      new RunRecord(folder, files).copyTo(aside.get());
      LOG.warn(
          "The run goes back to step {}. Later checkpoints, with the metrics and the TensorBoard"
              + " events up to now, are set aside in {}; delete that folder when you do not need"
              + " it.",
          start.manifest().step(),
          aside.get().root());
    }
    if (!own) {
      Optional.ofNullable(start.path().getParent())
          .flatMap(checkpoints -> Optional.ofNullable(checkpoints.getParent()))
          .map(run -> new RunRecord(new RunFolder(run), files))
          .filter(RunRecord::isThere)
          .ifPresent(record -> record.copyTo(folder));
    }
  }

  /**
   * Looks for where a start after a failed one begins: at the newest whole checkpoint, or where the
   * command began as long as nothing was saved.
   */
  OptionalLong again() {
    Optional<CheckpointStore.Found> newest = store.newestWhole();
    newest.ifPresent(this::check);
    next = newest.or(() -> first);
    return step();
  }

  /** Steps done before the next start; empty at the beginning. */
  OptionalLong step() {
    return next.map(found -> OptionalLong.of(found.manifest().step())).orElse(OptionalLong.empty());
  }

  /** Where the next start begins. */
  ResumeState next() {
    int rows = next.map(found -> found.manifest().rowsPerStep()).orElse(rowsPerStep);
    return new ResumeState(identity, rows, next.map(CheckpointStore.Found::path));
  }

  private void check(CheckpointStore.Found checkpoint) {
    List<String> differences = checkpoint.manifest().identity().differences(identity);
    if (!differences.isEmpty()) {
      throw new UserError(
          ("The checkpoint %s was made by another run:%n  %s%nUse the same settings to go on,"
                  + " another output_dir, or resume_from_checkpoint: never to begin again (which"
                  + " deletes the checkpoints).")
              .formatted(
                  checkpoint.path(), String.join(System.lineSeparator() + "  ", differences)));
    }
    if (checkpoint.manifest().rowsPerStep() != rowsPerStep) {
      LOG.info(
          "The checkpoint was made by {} rank(s): a step keeps its {} rows.",
          checkpoint.manifest().worldSize(),
          checkpoint.manifest().rowsPerStep());
    }
    LOG.info("Going on after step {}, from {}", checkpoint.manifest().step(), checkpoint.path());
  }
}
