package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.sparkfinetune.config.TrainConfig.Reporting;
import org.sparkfinetune.engine.metrics.MetricsLine;
import org.sparkfinetune.engine.metrics.MetricsLine.Speed;
import org.sparkfinetune.engine.metrics.MetricsLog;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.TensorBoardWriter;
import org.sparkfinetune.engine.train.Trainer.TrainingEvents;
import org.sparkfinetune.store.Store;

/** Rank 0's record of a run: metrics.jsonl and TensorBoard, a line every logging interval. */
final class RunRecorder implements TrainingEvents, AutoCloseable {
  private static final String LOSS_SINCE_LINE = "loss_since_line";
  private static final String TRAINED_SINCE_LINE = "trained_since_line";
  private static final String STEPS_SINCE_LINE = "steps_since_line";
  private static final String PAIRS_SINCE_LINE = "of_pairs_since_line/";
  private static final String LOSS_SUM = "loss_sum";
  private static final String STEPS = "steps";
  private static final String SAMPLES = "samples";
  private static final String SECONDS = "seconds";
  private static final String EVAL_LOSS = "eval_loss";

  private final MetricsLog metrics;
  private final TensorBoardWriter tensorBoard;
  private final int loggingSteps;
  private final boolean loggingFirstStep;
  private final long totalSteps;
  private final int evaluationRows;
  private final int attempt;
  private final Supplier<Map<String, Double>> vitals;
  private final long started = System.nanoTime();
  private final double secondsBefore;
  private final List<Double> speeds = new ArrayList<>();
  private final List<Double> secondsOfSteps = new ArrayList<>();
  private long lastEnd = started;
  private final Map<String, Double> pairsSinceLine = new LinkedHashMap<>();
  private double lossSinceLine;
  private long trainedSinceLine;
  private int stepsSinceLine;
  private double lossSum;
  private long steps;
  private long samples;
  private double evalLoss = Double.NaN;

  /**
   * Where a record is kept, and how.
   *
   * @param evaluationRows rows of an evaluation
   * @param attempt starts of this run before
   * @param vitals more for TensorBoard with every line, by tag
   */
  record Setting(
      RunFolder folder,
      Store files,
      Reporting reporting,
      long totalSteps,
      int evaluationRows,
      int attempt,
      Supplier<Map<String, Double>> vitals) {}

  private RunRecorder(
      Setting setting, MetricsLog metrics, TensorBoardWriter tensorBoard, Counters before) {
    this.metrics = metrics;
    this.tensorBoard = tensorBoard;
    this.loggingSteps = setting.reporting().loggingSteps();
    this.loggingFirstStep = setting.reporting().loggingFirstStep();
    this.totalSteps = setting.totalSteps();
    this.evaluationRows = setting.evaluationRows();
    this.attempt = setting.attempt();
    this.vitals = setting.vitals();
    this.lossSinceLine = before.get(LOSS_SINCE_LINE);
    this.trainedSinceLine = (long) before.get(TRAINED_SINCE_LINE);
    this.stepsSinceLine = (int) before.get(STEPS_SINCE_LINE);
    this.lossSum = before.get(LOSS_SUM);
    this.steps = (long) before.get(STEPS);
    this.samples = (long) before.get(SAMPLES);
    this.secondsBefore = before.get(SECONDS);
    before
        .values()
        .forEach(
            (name, value) -> {
              if (name.startsWith(PAIRS_SINCE_LINE)) {
                pairsSinceLine.put(name.substring(PAIRS_SINCE_LINE.length()), value);
              }
            });
    this.evalLoss = before.values().getOrDefault(EVAL_LOSS, Double.NaN);
  }

  /** A new record in place of what was there. */
  static RunRecorder start(Setting setting) {
    return new RunRecorder(
        setting,
        MetricsLog.start(setting.folder(), setting.files()),
        TensorBoardWriter.start(setting.folder(), setting.files()),
        new Counters(Map.of()));
  }

  /**
   * Goes on behind a checkpoint's step; what was recorded after it is dropped.
   *
   * @param counters what {@link #counters} gave at that step
   */
  static RunRecorder resume(Setting setting, long step, Map<String, Double> counters) {
    RunRecorder recorder =
        new RunRecorder(
            setting,
            MetricsLog.resume(setting.folder(), setting.files(), step),
            TensorBoardWriter.resume(setting.folder(), setting.files(), step),
            new Counters(counters));
    for (MetricsLine line : MetricsLog.read(setting.folder(), setting.files())) {
      if (line instanceof MetricsLine.Train train) {
        recorder.speeds.add(train.tokensPerSecond());
      }
    }
    return recorder;
  }

  private record Counters(Map<String, Double> values) {
    double get(String name) {
      return values.getOrDefault(name, 0.0);
    }
  }

  /** What {@link #resume} needs to go on as if there had been no end; finite numbers. */
  Map<String, Double> counters() {
    Map<String, Double> counters = new TreeMap<>();
    counters.put(LOSS_SINCE_LINE, lossSinceLine);
    counters.put(TRAINED_SINCE_LINE, (double) trainedSinceLine);
    counters.put(STEPS_SINCE_LINE, (double) stepsSinceLine);
    counters.put(LOSS_SUM, lossSum);
    counters.put(STEPS, (double) steps);
    counters.put(SAMPLES, (double) samples);
    counters.put(SECONDS, seconds());
    pairsSinceLine.forEach((name, value) -> counters.put(PAIRS_SINCE_LINE + name, value));
    if (!Double.isNaN(evalLoss)) {
      counters.put(EVAL_LOSS, evalLoss);
    }
    return counters;
  }

  /** Before a checkpoint becomes visible: its lines must be there if the run goes on from it. */
  void flush() {
    metrics.flush();
    tensorBoard.flush();
  }

  private double seconds() {
    return secondsBefore + (System.nanoTime() - started) * 1e-9;
  }

  @Override
  public void step(Step step) {
    long now = System.nanoTime();
    secondsOfSteps.add((now - lastEnd) * 1e-9);
    double speed = step.tokens() / step.seconds();
    speeds.add(speed);
    lossSinceLine += step.loss();
    trainedSinceLine += step.trainedTokens();
    step.ofPairs().forEach((name, value) -> pairsSinceLine.merge(name, value, Double::sum));
    stepsSinceLine++;
    lossSum += step.loss();
    steps++;
    samples += step.rows();
    boolean isFirst = loggingFirstStep && step.step() == 1;
    if (isFirst || step.step() % loggingSteps == 0 || step.step() == totalSteps) {
      MetricsLine.Train line =
          new MetricsLine.Train(
              step.step(),
              step.epoch(),
              lossSinceLine / stepsSinceLine,
              step.gradNorm(),
              step.learningRate(),
              trainedSinceLine,
              speed,
              attempt,
              ofPairs(step.ofPairs()),
              pace());
      metrics.write(line);
      tensorBoard.train(line);
      tensorBoard.scalars(vitals.get(), line.step());
      lossSinceLine = 0;
      trainedSinceLine = 0;
      stepsSinceLine = 0;
      pairsSinceLine.clear();
      secondsOfSteps.clear();
    }
    lastEnd = now;
  }

  /** Means over the steps, in the order of {@code last}. */
  private Map<String, Double> ofPairs(Map<String, Double> last) {
    Map<String, Double> means = new LinkedHashMap<>();
    last.keySet()
        .forEach(name -> means.put(name, pairsSinceLine.getOrDefault(name, 0.0) / stepsSinceLine));
    return means;
  }

  private MetricsLine.Pace pace() {
    double[] sorted = secondsOfSteps.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    return new MetricsLine.Pace(seconds(), sorted[sorted.length / 2], RankMemory.anonymousBytes());
  }

  @Override
  public void evaluated(Evaluated evaluated) {
    evalLoss = evaluated.loss();
    MetricsLine.Eval line =
        new MetricsLine.Eval(
            evaluated.step(),
            evaluated.epoch(),
            evaluated.loss(),
            evaluated.trainedTokens(),
            evaluated.lossBySource(),
            evaluated.ofAnswers(),
            evaluated.answers(),
            seconds());
    metrics.write(line);
    tensorBoard.evaluation(line, new Speed(evaluated.seconds(), evaluationRows, evaluationRows));
    lastEnd = System.nanoTime();
  }

  /** Ends the record; the rank's share of summary.json. */
  RankReport.Totals finish(double totalFlos, BestEvaluation best) {
    tensorBoard.finished(
        steps, new Speed(seconds(), samples, steps), totalFlos, lossSum / Math.max(1, steps));
    return totals(true, best);
  }

  /** The results so far. */
  RankReport.Totals totals(boolean ended, BestEvaluation best) {
    double[] all = speeds.stream().mapToDouble(Double::doubleValue).toArray();
    return new RankReport.Totals(
        steps,
        seconds(),
        org.sparkfinetune.engine.metrics.Summary.medianSpeed(all),
        lossSum / Math.max(1, steps),
        evalLoss,
        ended,
        best.summary());
  }

  @Override
  public void close() {
    metrics.close();
    tensorBoard.close();
  }
}
