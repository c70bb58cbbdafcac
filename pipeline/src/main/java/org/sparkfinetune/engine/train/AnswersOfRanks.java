package org.sparkfinetune.engine.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.metrics.MetricsLine;
import org.sparkfinetune.engine.metrics.MetricsLine.Answer;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.AnswerEvaluation.Answered;
import org.sparkfinetune.engine.train.AnswerEvaluation.Score;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.store.Store;

/**
 * Metrics of the model's answers at an evaluation. Each rank gathers what was trained into a folder
 * of its own, as a run writes it at its end, and answers its share of the questions with it: what
 * is measured is what {@code generate} and {@code evaluate} will see.
 */
final class AnswersOfRanks {
  private final RankModel model;
  private final TrainConfig config;
  private final AdapterConfig lora;
  private final Store store;
  private final Path folder;
  private final AnswerEvaluation answers;

  /**
   * @param scratch a local folder of this rank
   */
  AnswersOfRanks(
      RankModel model,
      TrainConfig config,
      AdapterConfig lora,
      Store store,
      Path scratch,
      AnswerEvaluation answers) {
    this.model = model;
    this.config = config;
    this.lora = lora;
    this.store = store;
    this.folder = scratch.resolve("answers");
    this.answers = answers;
  }

  /**
   * Of all ranks.
   *
   * @param metrics name to mean; not-a-number where no answer could be judged
   */
  record Result(Map<String, Double> metrics, List<Answer> first) {
    static final Result NONE = new Result(Map.of(), List.of());
  }

  /**
   * @param step optimizer steps done: the version of the parameters
   */
  Result run(long step) {
    long start = System.nanoTime();
    ProcessGroup exchange = model.exchange();
    var trained = new org.apache.hadoop.fs.Path(folder.toUri());
    new AdapterSaver(model, store, step).trained(config, lora, trained);
    Torch torch = model.ops().torch();
    Answered own = answers.answer(trained, torch, exchange.rank(), exchange.worldSize());
    delete();
    double[] sums = exchange.sum("answers", step, sums(own));
    Map<String, Double> metrics = new LinkedHashMap<>();
    int at = 0;
    for (String name : answers.metrics()) {
      metrics.put(name, sums[at] / sums[at + 1]);
      at += 2;
    }
    metrics.put(MetricsLine.Eval.GENERATED_TOKENS, sums[at]);
    metrics.put(MetricsLine.Eval.TRUNCATED_ANSWERS, sums[at + 1]);
    metrics.put(MetricsLine.Eval.GENERATE_RUNTIME, (System.nanoTime() - start) * 1e-9);
    return new Result(metrics, own.first());
  }

  private static double[] sums(Answered own) {
    double[] sums = new double[2 * own.scores().size() + 2];
    int at = 0;
    for (Score score : own.scores()) {
      sums[at++] = score.sum();
      sums[at++] = score.count();
    }
    sums[at++] = own.tokens();
    sums[at] = own.truncated();
    return sums;
  }

  private void delete() {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
