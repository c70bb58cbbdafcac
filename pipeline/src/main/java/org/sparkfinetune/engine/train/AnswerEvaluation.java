package org.sparkfinetune.engine.train;

import java.util.List;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.engine.metrics.MetricsLine.Answer;
import org.sparkfinetune.engine.tensor.Torch;

/**
 * Measures a model by what it writes; a rank has one of its own. The engine trains and does not
 * decode: who starts a rank brings what does.
 */
public interface AnswerEvaluation extends AutoCloseable {

  /** Names of what is measured, the same on all ranks. */
  List<String> metrics();

  /**
   * Answers the questions {@code [count * rank / ranks, count * (rank + 1) / ranks)}, and judges.
   *
   * @param trained a local folder: an adapter as PEFT has it, or a model if all weights are trained
   * @param torch the run's own; where its device has a memory of its own, answers come from there
   */
  Answered answer(Path trained, Torch torch, int rank, int ranks);

  /**
   * A share of the questions, answered.
   *
   * @param scores for each of {@link #metrics}
   * @param tokens that were generated
   * @param truncated answers that ended for their length
   * @param first some answers of the first questions, if those are in the share
   */
  record Answered(List<Score> scores, long tokens, long truncated, List<Answer> first) {
    public Answered {
      scores = List.copyOf(scores);
      first = List.copyOf(first);
    }
  }

  /**
   * What some answers were given.
   *
   * @param count of answers that could be judged
   */
  record Score(double sum, long count) {}

  @Override
  void close();
}
