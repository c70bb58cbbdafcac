package org.sparkfinetune.engine.train;

import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.RunIdentity;

/**
 * Where a run begins, the same on every rank.
 *
 * @param identity what checkpoints of this run will carry
 * @param rowsPerStep of an optimizer step over all ranks
 * @param checkpoint to go on from, checked before; none to begin at the first step
 */
public record ResumeState(RunIdentity identity, int rowsPerStep, Optional<Path> checkpoint) {}
