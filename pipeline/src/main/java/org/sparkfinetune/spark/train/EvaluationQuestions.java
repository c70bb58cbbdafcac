package org.sparkfinetune.spark.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.ConversationTokenizer;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.generate.GenerationSettings;
import org.sparkfinetune.spark.dataset.ConversationCoder;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.store.Store;

/**
 * The questions that a run's evaluations ask: the first of the test split that fit, kept in the run
 * folder, so that a run whose data set was replaced goes on with its own.
 */
final class EvaluationQuestions {
  private static final Logger LOG = LoggerFactory.getLogger(EvaluationQuestions.class);

  /** Looked at for each that is wanted. */
  private static final int CANDIDATES = 4;

  private final SparkSession spark;
  private final RunFolder folder;
  private final Store store;

  EvaluationQuestions(SparkSession spark, RunFolder folder, Store store) {
    this.spark = spark;
    this.folder = folder;
    this.store = store;
  }

  /**
   * What is asked.
   *
   * @param questions with the expected answers
   * @param maxNewTokens for an answer
   */
  record Asked(List<Conversation> questions, int maxNewTokens) {}

  /**
   * @param replaced whether the data set's folder holds another data set by now
   * @throws UserError if no row can be asked
   */
  Asked choose(TrainConfig config, ChatTemplate template, TokenizerFiles files, boolean replaced) {
    Optional<byte[]> kept = replaced ? store.read(folder.questions()) : Optional.empty();
    try (LlamaTokenizer tokenizer = LlamaTokenizer.of(files)) {
      int longest = config.data().maxSeqLength();
      ConversationTokenizer prompts =
          new ConversationTokenizer(tokenizer, template, LossTarget.EVERY_TOKEN);
      List<Conversation> questions =
          kept
              .map(ConversationCoder::decode)
              .orElseGet(() -> ofTestSplit(config, replaced))
              .stream()
              .filter(EvaluationQuestions::isAnswered)
              .filter(one -> prompts.prompt(one.question()).length < longest)
              .limit(config.evalMetrics().evalGenerateSamples())
              .toList();
      if (questions.isEmpty()) {
        throw new UserError(
            "eval_metrics asks for %s, but no row of the test split in %s is a question of less than max_seq_length, %s, tokens with an assistant's answer; leave eval_metrics out, or prepare such rows."
                .formatted(
                    String.join(", ", config.evalMetrics().names()),
                    config.data().datasetPath(),
                    longest));
      }
      store.replace(folder.questions(), ConversationCoder.encode(questions));
      return new Asked(questions, maxNewTokens(config, questions, prompts));
    }
  }

  private List<Conversation> ofTestSplit(TrainConfig config, boolean replaced) {
    Path dataset = new Path(config.data().datasetPath());
    if (replaced) {
      throw new UserError(
          "eval_metrics asks for %s, but %s holds another data set than the run's, whose questions are not kept in %s; leave eval_metrics out, or begin anew with resume_from_checkpoint: never."
              .formatted(
                  String.join(", ", config.evalMetrics().names()), dataset, folder.questions()));
    }
    DatasetSplit split =
        DatasetSplit.find(dataset, DatasetSplit.TEST, store)
            .orElseThrow(
                () ->
                    new UserError(
                        "eval_metrics asks for %s, but %s has no test split; prepare one with test_size or test_input."
                            .formatted(String.join(", ", config.evalMetrics().names()), dataset)));
    List<Row> rows =
        split.read(spark).takeAsList(CANDIDATES * config.evalMetrics().evalGenerateSamples());
    List<Conversation> conversations = new ArrayList<>();
    rows.forEach(row -> conversations.add(split.layout().read(row, conversations.size())));
    return conversations;
  }

  private static boolean isAnswered(Conversation conversation) {
    List<Message> messages = conversation.messages();
    return messages.size() > 1 && messages.get(messages.size() - 1).role() == Role.ASSISTANT;
  }

  private static int maxNewTokens(
      TrainConfig config, List<Conversation> questions, ConversationTokenizer prompts) {
    int longest = questions.stream().mapToInt(prompts::answerLength).max().orElse(0);
    int most = config.evalMetrics().evalMaxNewTokens().orElse(GenerationSettings.room(longest));
    LOG.info(
        "Evaluations answer {} questions of the test split, each in at most {} tokens.",
        questions.size(),
        most);
    return most;
  }
}
