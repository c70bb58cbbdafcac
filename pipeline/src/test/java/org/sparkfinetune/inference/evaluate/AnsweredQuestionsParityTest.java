package org.sparkfinetune.inference.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.ChatTemplates;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.AnswerEvaluation.Answered;
import org.sparkfinetune.inference.evaluate.AnsweredQuestions.Decoding;
import org.sparkfinetune.inference.evaluate.AnsweredQuestions.Models;
import org.sparkfinetune.inference.generate.DecodingModel;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.DeviceModel.Numbers;
import org.sparkfinetune.inference.generate.GenerationSettings;
import org.sparkfinetune.inference.generate.StopTokens;
import org.sparkfinetune.store.Store;

/** A run's evaluation by answers on a device of its own memory, and on the processor. */
final class AnsweredQuestionsParityTest {
  private static final Store STORE = new Store(new Configuration(false));
  private static final Path MODEL =
      new Path(java.nio.file.Path.of("../jobs/sample/model").toAbsolutePath().normalize().toUri());

  private static final List<Conversation> QUESTIONS =
      Stream.of("How many heads are there?", "List all names.", "What is the largest age?")
          .map(
              question ->
                  new Conversation(
                      List.of(
                          new Message(Role.SYSTEM, "SCHEMA:\nCREATE TABLE head (age INTEGER)"),
                          new Message(Role.USER, question),
                          new Message(Role.ASSISTANT, "SELECT COUNT(*) FROM head"))))
          .toList();

  private record TheModel() implements Models {
    @Override
    public DecodingModel with(Path trained) {
      return DecodingModel.load(MODEL, Optional.empty(), BaseForm.AS_STORED, STORE, 2);
    }

    @Override
    public void close() {}
  }

  /** What was answered, and how often a layer was decoded by operators. */
  private static Answered answered(ComputeDevice device, int rank, boolean byOperators) {
    TokenizerFiles files = TokenizerFiles.load(MODEL, STORE);
    ChatTemplate template = ChatTemplates.choose(Optional.of("reference"), files, STORE);
    LlamaTokenizer tokenizer = LlamaTokenizer.of(files);
    GenerationSettings settings =
        GenerationSettings.greedy(16, StopTokens.of(tokenizer, MODEL, STORE));
    try (Torch torch = Torch.start(2, device);
        AnsweredQuestions answers =
            new AnsweredQuestions(
                new TheModel(),
                new Decoding(template, settings, 2, 2, Numbers.FLOAT32),
                tokenizer,
                QUESTIONS,
                AnswerMetrics.of(Set.of(Metric.EXACT_MATCH, Metric.CHRF), Optional.empty()))) {
      Answered answered = answers.answer(new Path("unused"), torch, rank, 2);
      assertThat(torch.times().uses().containsKey("decoding_layer")).isEqualTo(byOperators);
      return answered;
    }
  }

  @Test
  void a_device_of_its_own_memory_answers_by_operators_what_the_processor_answers() {
    for (int rank = 0; rank < 2; rank++) {
      Answered processor = answered(new ComputeDevice.Cpu(), rank, false);
      Answered device = answered(new ComputeDevice.Staged(), rank, true);

      assertThat(device).isEqualTo(processor);
      assertThat(device.tokens()).isPositive();
    }
  }
}
