package org.sparkfinetune.train;

import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.metrics.MetricsLine;
import org.sparkfinetune.metrics.MetricsLog;
import org.sparkfinetune.metrics.RunFiles;
import org.sparkfinetune.metrics.RunFolder;
import org.sparkfinetune.metrics.Speed;
import org.sparkfinetune.metrics.TensorBoardWriter;

/** Rank 0's record of a run: metrics.jsonl and TensorBoard, a line every logging interval. */
final class RunRecorder implements TrainingEvents, AutoCloseable {
  private final MetricsLog metrics;
  private final TensorBoardWriter tensorBoard;
  private final int loggingSteps;
  private final long totalSteps;
  private final int evaluationRows;
  private final int attempt;
  private final long started = System.nanoTime();
  private final List<Double> speeds = new ArrayList<>();
  private double lossSinceLine;
  private int stepsSinceLine;
  private double lossSum;
  private long steps;
  private long samples;
  private double evalLoss = Double.NaN;

  RunRecorder(
      RunFolder folder,
      RunFiles files,
      int loggingSteps,
      long totalSteps,
      int evaluationRows,
      int attempt) {
    this.metrics = MetricsLog.start(folder, files);
    this.tensorBoard = TensorBoardWriter.start(folder, files);
    this.loggingSteps = loggingSteps;
    this.totalSteps = totalSteps;
    this.evaluationRows = evaluationRows;
    this.attempt = attempt;
  }

  @Override
  public void step(Step step) {
    double speed = step.tokens() / step.seconds();
    speeds.add(speed);
    lossSinceLine += step.loss();
    stepsSinceLine++;
    lossSum += step.loss();
    steps++;
    samples += step.rows();
    if (step.step() % loggingSteps == 0 || step.step() == totalSteps) {
      MetricsLine.Train line =
          new MetricsLine.Train(
              step.step(),
              step.epoch(),
              lossSinceLine / stepsSinceLine,
              step.gradNorm(),
              step.learningRate(),
              step.trainedTokens(),
              speed,
              attempt);
      metrics.write(line);
      tensorBoard.train(line);
      lossSinceLine = 0;
      stepsSinceLine = 0;
    }
  }

  @Override
  public void evaluated(Evaluated evaluated) {
    evalLoss = evaluated.loss();
    MetricsLine.Eval line =
        new MetricsLine.Eval(
            evaluated.step(), evaluated.epoch(), evaluated.loss(), evaluated.trainedTokens());
    metrics.write(line);
    tensorBoard.evaluation(line, new Speed(evaluated.seconds(), evaluationRows, evaluationRows));
  }

  /** Ends the record; the rank's share of summary.json. */
  RankReport.Totals finish(double totalFlos) {
    double seconds = (System.nanoTime() - started) * 1e-9;
    tensorBoard.finished(
        totalSteps, new Speed(seconds, samples, steps), totalFlos, lossSum / Math.max(1, steps));
    double[] all = speeds.stream().mapToDouble(Double::doubleValue).toArray();
    return new RankReport.Totals(
        totalSteps,
        seconds,
        org.sparkfinetune.metrics.Summary.medianSpeed(all),
        lossSum / Math.max(1, steps),
        evalLoss);
  }

  @Override
  public void close() {
    metrics.close();
    tensorBoard.close();
  }
}
