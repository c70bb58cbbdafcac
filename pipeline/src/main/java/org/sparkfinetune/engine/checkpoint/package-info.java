/**
 * What a run needs to go on exactly where it was: every rank's slice of the trained weights and of
 * Adam's two moments, and the counters of the record. Never the base model.
 *
 * <p>A checkpoint is a folder of safetensors files, one a rank, and a manifest with their sizes and
 * checksums, which is written last: a folder without one is not a checkpoint. Where folders can be
 * renamed in one move, the folder gets its name last as well.
 *
 * <p>A newcomer may ask why a slice holds flat pieces and not named tensors: pieces need no
 * knowledge of the model, so a checkpoint of any number of ranks is read by any other number, as
 * ranges of the same flat parameters.
 *
 * <p>Uses safetensors and the run folder's names; knows nothing of training, ranks' exchange or
 * Spark.
 */
@NullMarked
package org.sparkfinetune.engine.checkpoint;

import org.jspecify.annotations.NullMarked;
