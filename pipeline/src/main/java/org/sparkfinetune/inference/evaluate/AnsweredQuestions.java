package org.sparkfinetune.inference.evaluate;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.engine.metrics.MetricsLine.Answer;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.AnswerEvaluation;
import org.sparkfinetune.inference.generate.DecodingModel;
import org.sparkfinetune.inference.generate.DeviceModel;
import org.sparkfinetune.inference.generate.DeviceModel.Numbers;
import org.sparkfinetune.inference.generate.GenerationSettings;
import org.sparkfinetune.inference.generate.Generator;
import org.sparkfinetune.inference.generate.Generator.Generated.Finish;
import org.sparkfinetune.inference.generate.TextGenerator;
import org.sparkfinetune.inference.generate.TextGenerator.Completion;
import org.sparkfinetune.inference.generate.TextGenerator.TextListener;
import org.sparkfinetune.inference.generate.TextGenerator.TextPrompt;

/** Answers questions of a test split at an evaluation of a training run, and judges the answers. */
public final class AnsweredQuestions implements AnswerEvaluation {
  /** Answers of an evaluation that are kept. */
  private static final int SHOWN = 3;

  private final Models models;
  private final Decoding decoding;
  private final LlamaTokenizer tokenizer;
  private final List<Conversation> questions;
  private final List<AnswerMetric> metrics;

  /** What was trained, made ready for decoding. */
  public interface Models extends AutoCloseable {
    DecodingModel with(Path trained);

    @Override
    void close();
  }

  /**
   * How is decoded.
   *
   * @param threads of the rank
   * @param batchSize answers that are decoded together
   * @param numbers on a device
   */
  public record Decoding(
      ChatTemplate template,
      GenerationSettings settings,
      int threads,
      int batchSize,
      Numbers numbers) {}

  /**
   * @param models closed with this
   * @param tokenizer closed with this
   * @param questions each with its expected answer as its last message
   */
  public AnsweredQuestions(
      Models models,
      Decoding decoding,
      LlamaTokenizer tokenizer,
      List<Conversation> questions,
      List<AnswerMetric> metrics) {
    this.models = models;
    this.decoding = decoding;
    this.tokenizer = tokenizer;
    this.questions = List.copyOf(questions);
    this.metrics = List.copyOf(metrics);
  }

  @Override
  public List<String> metrics() {
    return metrics.stream().map(AnswerMetric::name).toList();
  }

  @Override
  public Answered answer(Path trained, Torch torch, int rank, int ranks) {
    int from = (int) ((long) questions.size() * rank / ranks);
    int to = (int) ((long) questions.size() * (rank + 1) / ranks);
    List<Conversation> own = questions.subList(from, to);
    List<Completion> completions = completions(trained, torch, own);
    List<AnsweredSample> samples = new ArrayList<>();
    for (int i = 0; i < own.size(); i++) {
      samples.add(AnsweredSample.of(own.get(i), completions.get(i).text()));
    }
    return new Answered(
        metrics.stream().map(metric -> score(metric, samples)).toList(),
        completions.stream().mapToLong(Completion::tokens).sum(),
        completions.stream().filter(one -> one.finish() == Finish.LENGTH).count(),
        from == 0
            ? samples.stream().limit(SHOWN).map(AnsweredQuestions::shown).toList()
            : List.of());
  }

  private List<Completion> completions(Path trained, Torch torch, List<Conversation> own) {
    if (own.isEmpty()) {
      return List.of();
    }
    try (DecodingModel model = models.with(trained)) {
      Optional<DeviceModel> device =
          torch.device().sharesHostMemory()
              ? Optional.empty()
              : DeviceModel.ifThereIsRoom(model, torch, decoding.numbers());
      try {
        return completions(
            device
                .map(there -> new Generator(there, decoding.batchSize()))
                .orElseGet(() -> new Generator(model, decoding.threads(), decoding.batchSize())),
            own);
      } finally {
        device.ifPresent(DeviceModel::close);
      }
    }
  }

  /**
   * @param generator is closed
   */
  private List<Completion> completions(Generator generator, List<Conversation> own) {
    try (TextGenerator texts =
        new TextGenerator(
            generator, tokenizer, decoding.template(), decoding.settings(), List.of())) {
      return texts.complete(
          own.stream()
              .<TextPrompt>map(
                  one -> new TextPrompt.Chat(EncodedConversation.number(one), one.question()))
              .toList(),
          TextListener.NONE);
    }
  }

  private static Score score(AnswerMetric metric, List<AnsweredSample> samples) {
    double sum = 0;
    long count = 0;
    for (AnsweredSample sample : samples) {
      OptionalDouble score = metric.score(sample);
      if (score.isPresent()) {
        sum += score.getAsDouble();
        count++;
      }
    }
    return new Score(sum, count);
  }

  private static Answer shown(AnsweredSample sample) {
    return new Answer(
        sample.prompt(), AnsweredSample.expectedText(sample.conversation()), sample.answer());
  }

  @Override
  public void close() {
    models.close();
    tokenizer.close();
  }
}
