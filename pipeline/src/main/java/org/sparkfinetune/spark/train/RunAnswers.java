package org.sparkfinetune.spark.train;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.train.AnswerEvaluation;
import org.sparkfinetune.inference.evaluate.AnswerMetric;
import org.sparkfinetune.inference.evaluate.AnswerMetrics;
import org.sparkfinetune.inference.evaluate.AnsweredQuestions;
import org.sparkfinetune.inference.evaluate.AnsweredQuestions.Decoding;
import org.sparkfinetune.inference.evaluate.AnsweredQuestions.Models;
import org.sparkfinetune.inference.evaluate.CustomMetric;
import org.sparkfinetune.inference.generate.BaseWeights;
import org.sparkfinetune.inference.generate.DecodingModel;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.DeviceModel.Numbers;
import org.sparkfinetune.inference.generate.GenerationSettings;
import org.sparkfinetune.inference.generate.StopTokens;
import org.sparkfinetune.spark.dataset.ConversationCoder;
import org.sparkfinetune.spark.train.EvaluationQuestions.Asked;
import org.sparkfinetune.store.Store;

/** What evaluations of a run ask and how they judge, as it travels to executors. */
final class RunAnswers implements Serializable {
  private static final long serialVersionUID = 1L;

  /** Answers that a rank decodes together. */
  private static final int BATCH = 8;

  private final byte[] questions;
  private final int maxNewTokens;
  private final TokenizerFiles files;
  private final ChatTemplate template;
  private final Store store;

  RunAnswers(Asked asked, TokenizerFiles files, ChatTemplate template, Store store) {
    this.questions = ConversationCoder.encode(asked.questions());
    this.maxNewTokens = asked.maxNewTokens();
    this.files = files;
    this.template = template;
    this.store = store;
  }

  /**
   * The metrics that a configuration asks for, by name.
   *
   * @throws org.sparkfinetune.errors.UserError if one of the user's own is none
   */
  static List<AnswerMetric> metrics(TrainConfig config) {
    List<AnswerMetric> metrics =
        new ArrayList<>(
            AnswerMetrics.of(
                config.evalMetrics().ofAnswers(), config.evalMetrics().answerPattern()));
    new TreeMap<>(config.evalMetrics().custom())
        .forEach((name, definition) -> metrics.add(CustomMetric.of(name, definition)));
    return metrics;
  }

  /**
   * On an executor.
   *
   * @param scratch a local folder of the rank
   */
  AnswerEvaluation open(TrainConfig config, int threads, java.nio.file.Path scratch) {
    LlamaTokenizer tokenizer = LlamaTokenizer.of(files);
    Path model = new Path(config.model().folder());
    Decoding decoding =
        new Decoding(
            template,
            GenerationSettings.greedy(maxNewTokens, StopTokens.of(tokenizer, model, store)),
            threads,
            BATCH,
            config.compute().bf16() ? Numbers.OF_THE_WEIGHTS : Numbers.FLOAT32);
    return new AnsweredQuestions(
        models(config, model, threads, scratch),
        decoding,
        tokenizer,
        ConversationCoder.decode(questions),
        metrics(config));
  }

  private Models models(TrainConfig config, Path model, int threads, java.nio.file.Path scratch) {
    return config.method() == Method.FULL
        ? new WholeModels(threads, store)
        : new Adapted(new BaseWeights(model, form(config), scratch, store), threads);
  }

  private static BaseForm form(TrainConfig config) {
    return switch (config.method()) {
      case QLORA -> config.compute().bf16() ? BaseForm.NF4 : BaseForm.NF4_FLOAT32;
      case LORA, FULL -> BaseForm.AS_STORED;
    };
  }

  /** What was trained is an adapter. */
  private record Adapted(BaseWeights base, int threads) implements Models {
    @Override
    public DecodingModel with(Path trained) {
      return base.with(trained, threads);
    }

    @Override
    public void close() {
      base.close();
    }
  }

  /** What was trained is all of a model. */
  private record WholeModels(int threads, Store store) implements Models {
    @Override
    public DecodingModel with(Path trained) {
      return DecodingModel.load(trained, Optional.empty(), BaseForm.AS_STORED, store, threads);
    }

    @Override
    public void close() {}
  }
}
