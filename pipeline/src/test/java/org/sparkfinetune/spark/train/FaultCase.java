package org.sparkfinetune.spark.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * One line of the table of faults.
 *
 * @param death what happens, in words
 * @param command what happens, for {@link Fault}; {@code DRIVER}, {@code RUN}, {@code SHARDS},
 *     {@code SCRATCH}, {@code AWAY}, {@code EVICTION} and {@code SECOND_DRIVER} stand for what the
 *     test knows
 * @param keys further words of train's
 */
record FaultCase(
    String death, Moment moment, String command, Outcome outcome, Place place, List<String> keys) {

  /** What a run has to stand on for the fault to be possible. */
  enum Place {
    ANY,
    OWN_NETWORK,
    SMALL_DISKS,
    STORE
  }

  /** Where in a run something happens: in a method of ours, once a step has its checkpoint. */
  enum Moment {
    LOADING("loading", "RankModel", "load", 0),
    FIRST_STEP("first step", "ForwardPass", "run", 0),
    FORWARD("mid-step, forward", "ForwardPass", "run", 8),
    BACKWARD("mid-step, backward", "TrainingStep", "layerBackward", 8),
    SAVE("during a save", "Checkpointer", "write", 8),
    EVALUATION("during evaluation", "Evaluation", "run", 8),
    FINAL_SAVE("during the final save", "AdapterSaver", "result", 20);

    final String words;
    final String type;
    final String method;

    /** 0: without one. */
    final int checkpointOfStep;

    Moment(String words, String type, String method, int checkpointOfStep) {
      this.words = words;
      this.type = type;
      this.method = method;
      this.checkpointOfStep = checkpointOfStep;
    }
  }

  /** What must hold; an adapter equal to the uninterrupted run's, byte for byte, always does. */
  enum Outcome {
    NEXT_ATTEMPT("the driver starts again from the last checkpoint"),
    NEXT_ATTEMPT_FROM_AN_OLDER_ONE("the driver starts again from the last whole checkpoint"),
    NEXT_COMMAND("the same command takes the run over and goes on from the last checkpoint"),
    STOPS("the step is finished and saved, and the same command goes on from there"),
    WAITS_FOR_A_REPAIR("an error that says what is full; after a repair the same command goes on"),
    UNNOTICED("the run goes on");

    final String words;

    Outcome(String words) {
      this.words = words;
    }
  }

  /** Of all runs: with {@code -Dfaults.steered=true} answers choose which model is the result. */
  static final List<String> STEERED =
      Boolean.getBoolean("faults.steered")
          ? List.of(
              "--eval_strategy", "steps",
              "--eval_steps", "6",
              "--eval_max_new_tokens", "16",
              "--eval_custom_metrics", "{long: length(answer)}",
              "--metric_for_best_model", "long",
              "--load_best_model_at_end", "true")
          : List.of();

  /** The words of train's for a run in {@code folder}. */
  List<String> keys(Path folder) {
    List<String> words = new ArrayList<>(STEERED);
    words.addAll(keys);
    if (place == Place.STORE || moment == Moment.FINAL_SAVE) {
      words.addAll(List.of("--output_dir", "away://" + folder));
    }
    if (place == Place.OWN_NETWORK) {
      words.addAll(List.of("--exchange", "network"));
    }
    return words;
  }

  /** Whether the driver has to be a process of its own. */
  boolean hasOwnDriver() {
    return outcome == Outcome.NEXT_COMMAND || place == Place.OWN_NETWORK;
  }

  @Override
  public String toString() {
    return death + ", " + moment.words;
  }
}
