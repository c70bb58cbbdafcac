package org.sparkfinetune.launch;

import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.checkpoint.CheckpointStore;
import org.sparkfinetune.checkpoint.RunIdentity;
import org.sparkfinetune.config.Loop;
import org.sparkfinetune.config.ResumeFrom;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.train.Continuation;
import org.sparkfinetune.train.StepSchedule;

/** Decides where a start of a run begins. */
final class ResumePoint {
  private static final Logger LOG = LoggerFactory.getLogger(ResumePoint.class);

  private final CheckpointStore store;
  private final RunIdentity identity;
  private final int rowsPerStep;

  ResumePoint(CheckpointStore store, RunIdentity identity, int worldSize, Loop loop) {
    this.store = store;
    this.identity = identity;
    this.rowsPerStep = StepSchedule.rowsPerStep(worldSize, loop);
  }

  /**
   * The first start of a command.
   *
   * @throws UserError if the checkpoint belongs to another run, or there is none at a path
   */
  Continuation first(ResumeFrom from) {
    if (from instanceof ResumeFrom.Never) {
      if (store.newest().isPresent()) {
        LOG.warn(
            "resume_from_checkpoint is never: the checkpoints of the earlier run are deleted.");
      }
      store.clear();
    }
    if (from instanceof ResumeFrom.Path path) {
      return from(Optional.of(store.open(new Path(path.uri()))));
    }
    return from(store.newestWhole());
  }

  /**
   * A start after a failed one.
   *
   * @param first where the command began: it stays the beginning as long as nothing was saved
   */
  Continuation again(Continuation first) {
    Optional<CheckpointStore.Found> newest = store.newestWhole();
    return newest.isPresent() ? from(newest) : first;
  }

  private Continuation from(Optional<CheckpointStore.Found> found) {
    if (found.isEmpty()) {
      return new Continuation(identity, rowsPerStep, Optional.empty());
    }
    CheckpointStore.Found checkpoint = found.get();
    List<String> differences = checkpoint.manifest().identity().differences(identity);
    if (!differences.isEmpty()) {
      throw new UserError(
          ("The checkpoint %s was made by another run:%n  %s%nUse the same settings to go on, another"
                  + " output_dir, or resume_from_checkpoint: never to begin again (which deletes the"
                  + " checkpoints).")
              .formatted(
                  checkpoint.path(), String.join(System.lineSeparator() + "  ", differences)));
    }
    int rows = checkpoint.manifest().rowsPerStep();
    if (rows != rowsPerStep) {
      LOG.info(
          "The checkpoint was made by {} rank(s): a step keeps its {} rows.",
          checkpoint.manifest().worldSize(),
          rows);
    }
    LOG.info("Going on after step {}, from {}", checkpoint.manifest().step(), checkpoint.path());
    return new Continuation(identity, rows, Optional.of(checkpoint.path()));
  }
}
