package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongConsumer;
import org.slf4j.MDC;
import org.sparkfinetune.config.Preference;
import org.sparkfinetune.config.TrainConfig.Optimization;
import org.sparkfinetune.config.TrainConfig.Reporting;
import org.sparkfinetune.data.tokenize.PackedRows;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.metrics.MetricsLine.Answer;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.tensor.DeviceSizes;
import org.sparkfinetune.engine.tensor.Ops.AdamWStep;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;

/** The training loop of one rank: steps, evaluations, checkpoints. All ranks run it together. */
final class Trainer {
  private static final double NORM_EPS = 1e-6;

  private final RankModel model;
  private final StepSchedule schedule;
  private final LearningRate learningRate;
  private final Optimization optimization;
  private final Reporting reporting;
  private final PackedRows train;
  private final Evaluation.TestRows test;
  private final TrainingEvents events;
  private final TrainingStep trainingStep;
  private final int batchTokens;
  private final Evaluation evaluation;
  private final Optional<AnswersOfRanks> answers;
  private final BestEvaluation best;
  private final PhaseClock clock;
  private final Optional<Pairs> pairs;
  private Optional<PreferenceLoss> testLoss = Optional.empty();

  /**
   * Of rows that are pairs.
   *
   * @param progress told how many rows the reference was computed for
   */
  record Pairs(Preference settings, ReferencePolicy.Kept kept, LongConsumer progress) {}

  Trainer(
      RankModel model,
      StepSchedule schedule,
      Optimization optimization,
      Reporting reporting,
      PackedRows train,
      Evaluation.TestRows test,
      TrainingEvents events,
      Optional<AnswersOfRanks> answers,
      BestEvaluation best,
      PhaseClock clock,
      Optional<Pairs> pairs) {
    this.model = model;
    this.schedule = schedule;
    this.learningRate = new LearningRate(optimization, schedule.totalSteps());
    this.optimization = optimization;
    this.reporting = reporting;
    this.train = train;
    this.test = test;
    this.events = events;
    this.answers = answers;
    this.best = best;
    this.clock = clock;
    this.trainingStep = new TrainingStep(model, clock);
    DeviceSizes sizes = model.ops().torch().device().sizes();
    int usual = BufferSizes.batchTokens(model.recipe().config(), sizes);
    this.batchTokens = trainingStep.budget().batchTokens(usual, sizes);
    this.evaluation = new Evaluation(model, usual);
    this.pairs = pairs;
  }

  /** What is done between two steps; called by all ranks after the same steps. */
  interface AfterStep {
    Next after(long step);
  }

  enum Next {
    STEP,
    STOP
  }

  /**
   * @param done steps already done: 0, or those of the checkpoint that was restored
   * @return steps done at the end; fewer than the schedule's if {@code afterStep} said stop, or the
   *     last evaluations were no better
   */
  long run(long done, AfterStep afterStep) {
    long ended = done;
    publish(done);
    pairs.ifPresent(of -> learnPreference(of, done));
    if (done == 0 && reporting.evalOnStart()) {
      evaluate(0);
    }
    for (long step = done + 1; step <= schedule.totalSteps() && !best.endsRun(); step++) {
      try (MDC.MDCCloseable unused = MDC.putCloseable("step", Long.toString(step))) {
        step(step);
        if (schedule.evaluates(reporting, step)) {
          evaluate(step);
        }
        ended = step;
        if (afterStep.after(step) == Next.STOP) {
          return step;
        }
      }
    }
    return ended;
  }

  private void learnPreference(Pairs of, long done) {
    PackedRows evaluated = reporting.evaluates() ? test.rows() : new RowsInMemory(List.of());
    ReferencePolicy policy = new ReferencePolicy(model, evaluation, of.kept(), of.progress());
    ReferencePolicy.Reference reference =
        clock.in(Phase.FORWARD, () -> policy.of(done, train, evaluated));
    trainingStep.learnPreference(new PreferenceLoss(of.settings(), reference.train()));
    testLoss = Optional.of(new PreferenceLoss(of.settings(), reference.test()));
  }

  private void step(long step) {
    long start = System.nanoTime();
    int[] all = schedule.rows(step);
    int rank = model.exchange().rank();
    int ranks = model.exchange().worldSize();
    List<StepRow> own = new ArrayList<>();
    for (int i = StepSchedule.shareBegin(all.length, rank, ranks);
        i < StepSchedule.shareBegin(all.length, rank + 1, ranks);
        i++) {
      own.add(new StepRow(train.row(all[i]), all[i], i));
    }
    List<TokenBatch> batches = TokenBatch.of(own, batchTokens, model.recipe().attention());
    TrainingStep.Outcome outcome = trainingStep.run(step, batches);
    double rate = learningRate.at(step);
    clock.in(Phase.OPTIMIZER, () -> update(step, rate, outcome.gradNorm()));
    events.step(
        new TrainingEvents.Step(
            step,
            schedule.epoch(step),
            outcome.loss(),
            outcome.gradNorm(),
            rate,
            outcome.trainedTokens(),
            outcome.tokens(),
            all.length,
            outcome.ofPairs(),
            (System.nanoTime() - start) * 1e-9));
  }

  private void update(long step, double rate, double norm) {
    double clip =
        optimization.maxGradNorm() > 0
            ? Math.min(1, optimization.maxGradNorm() / (norm + NORM_EPS))
            : 1;
    AdamWStep numbers =
        new AdamWStep(
            clip,
            rate,
            optimization.weightDecay(),
            optimization.adamBeta1(),
            optimization.adamBeta2(),
            optimization.adamEpsilon(),
            step);
    try (Scope scope = model.ops().torch().scope()) {
      for (TrainableGroup group : model.weights().trainable()) {
        group.update(scope, numbers, model.recipe().loraPlusRatio());
      }
    }
    publish(step);
  }

  private void publish(long version) {
    model.weights().trainable().forEach(group -> group.publish(version));
  }

  private void evaluate(long step) {
    if (test.rows().size() == 0) {
      return;
    }
    long start = System.nanoTime();
    Evaluation.Result result =
        clock.in(
            Phase.FORWARD,
            () ->
                testLoss
                    .map(loss -> evaluation.run(step, test, loss))
                    .orElseGet(() -> evaluation.run(step, test)));
    AnswersOfRanks.Result answered =
        clock.in(
            Phase.FORWARD,
            () -> answers.map(ofRanks -> ofRanks.run(step)).orElse(AnswersOfRanks.Result.NONE));
    Map<String, Double> metrics = new LinkedHashMap<>(result.ofPairs());
    metrics.putAll(answered.metrics());
    TrainingEvents.Evaluated evaluated =
        new TrainingEvents.Evaluated(
            step,
            schedule.epoch(step),
            result.loss(),
            result.trainedTokens(),
            result.lossBySource(),
            metrics,
            answered.first(),
            (System.nanoTime() - start) * 1e-9);
    events.evaluated(evaluated);
    if (step > 0) {
      best.evaluated(evaluated);
    }
  }

  /** What a training run tells as it goes; called on the rank's training thread. */
  public interface TrainingEvents {
    /**
     * After an optimizer step.
     *
     * @param loss mean over the step's trained tokens, or pairs, of all ranks
     * @param tokens of all ranks that went through the model, padding left out
     * @param ofPairs rewards and log-probabilities by TRL's names; empty where rows are no pairs
     */
    record Step(
        long step,
        double epoch,
        double loss,
        double gradNorm,
        double learningRate,
        long trainedTokens,
        long tokens,
        int rows,
        Map<String, Double> ofPairs,
        double seconds) {}

    /**
     * After an evaluation.
     *
     * @param ofAnswers metrics of pairs, and of what the model wrote, by name
     * @param answers some of what it wrote
     */
    record Evaluated(
        long step,
        double epoch,
        double loss,
        long trainedTokens,
        Map<String, Double> lossBySource,
        Map<String, Double> ofAnswers,
        List<Answer> answers,
        double seconds) {}

    void step(Step step);

    void evaluated(Evaluated evaluated);
  }
}
