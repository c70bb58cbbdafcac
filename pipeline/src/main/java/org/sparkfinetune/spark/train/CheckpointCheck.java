package org.sparkfinetune.spark.train;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkException;
import org.apache.spark.api.java.JavaSparkContext;
import org.sparkfinetune.engine.checkpoint.CheckpointStore;
import org.sparkfinetune.engine.checkpoint.StateFile;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.Store;

/**
 * Reads the files of a checkpoint on the executors, a task for each: a checkpoint of a large model
 * is more than one process reads between two starts.
 */
final class CheckpointCheck implements CheckpointStore.FileCheck {
  private final JavaSparkContext spark;
  private final Store store;

  CheckpointCheck(JavaSparkContext spark, Store store) {
    this.spark = spark;
    this.store = store;
  }

  /** A task that fails is repeated at once and fills the log; what a store says is an answer. */
  private record Answer(Kind kind, String text) implements Serializable {
    enum Kind {
      WHOLE,
      DAMAGED,
      NOT_READ
    }
  }

  @Override
  public List<String> damages(Path checkpoint, List<StateFile> states) {
    List<String> damages = new ArrayList<>();
    for (Answer answer : answers(checkpoint.toString(), states)) {
      switch (answer.kind()) {
        case WHOLE -> {}
        case DAMAGED -> damages.add(answer.text());
        case NOT_READ -> throw new RunFailure(answer.text());
      }
    }
    return damages;
  }

  private List<Answer> answers(String folder, List<StateFile> states) {
    Store sent = store;
    spark.setJobDescription("check " + folder);
    try {
      return spark
          .parallelize(states, states.size())
          .map(state -> answer(folder, state, sent))
          .collect();
    } catch (Exception e) {
      // Spark's Scala code throws checked exceptions without declaring them.
      if (e instanceof SparkException) {
        throw new RunFailure(
            "%s could not be checked on the executors: %s".formatted(folder, e.getMessage()), e);
      }
      throw e;
    }
  }

  private static Answer answer(String folder, StateFile state, Store store) {
    Path checkpoint = new Path(folder);
    try {
      return state
          .damage(checkpoint, store)
          .map(
              what ->
                  new Answer(Answer.Kind.DAMAGED, new Path(checkpoint, state.name()) + " " + what))
          .orElse(new Answer(Answer.Kind.WHOLE, ""));
    } catch (RunFailure e) {
      return new Answer(Answer.Kind.NOT_READ, String.valueOf(e.getMessage()));
    }
  }
}
