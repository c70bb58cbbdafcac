package org.sparkfinetune.spark.evaluate;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.config.EvaluateConfig;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.data.tokenize.LossExtent;
import org.sparkfinetune.inference.evaluate.AnswerMetric;
import org.sparkfinetune.inference.evaluate.AnswerMetric.Judgement;
import org.sparkfinetune.inference.evaluate.AnswerMetrics;
import org.sparkfinetune.inference.evaluate.AnsweredSample;
import org.sparkfinetune.inference.evaluate.ModelResult.Mean;
import org.sparkfinetune.inference.evaluate.SampleResult;
import org.sparkfinetune.inference.evaluate.SampleResult.Answer;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;
import org.sparkfinetune.inference.generate.Generator.Generated;
import org.sparkfinetune.inference.generate.TextGenerator;
import org.sparkfinetune.inference.generate.TextGenerator.Completion;
import org.sparkfinetune.inference.generate.TextGenerator.TextListener;
import org.sparkfinetune.inference.generate.TextGenerator.TextPrompt;
import org.sparkfinetune.spark.cluster.TaskDevice;
import org.sparkfinetune.spark.dataset.ConversationCoder;
import org.sparkfinetune.spark.generate.AnsweringModel;
import org.sparkfinetune.spark.generate.AnsweringProgress;

/** Rows of (index, conversation) into rows of results. */
final class EvaluateRows implements MapPartitionsFunction<Row, Row> {
  private static final long serialVersionUID = 1L;

  static final StructType INPUT =
      new StructType()
          .add("index", DataTypes.IntegerType)
          .add("conversation", DataTypes.BinaryType);

  private static final int SCORES = 7;

  private final Broadcast<AnsweringModel> model;
  private final Set<Metric> metrics;
  private final String answerPattern;
  private final LossExtent extent;
  private final int threads;
  private final AnsweringProgress.Counts counts;

  EvaluateRows(
      Broadcast<AnsweringModel> model,
      EvaluateConfig config,
      LossExtent extent,
      int threads,
      AnsweringProgress.Counts counts) {
    this.model = model;
    this.metrics = config.metrics();
    this.answerPattern = config.answerPattern().orElse("");
    this.extent = extent;
    this.threads = threads;
    this.counts = counts;
  }

  /** Columns of a result: scores by the names of their metrics are the last. */
  static StructType result(List<AnswerMetric> metrics) {
    StructType result =
        new StructType()
            .add("index", DataTypes.IntegerType)
            .add("loss", DataTypes.DoubleType)
            .add("tokens", DataTypes.LongType)
            .add("generated", DataTypes.StringType)
            .add("truncated", DataTypes.BooleanType)
            .add("kind", DataTypes.StringType)
            .add("reason", DataTypes.StringType);
    for (AnswerMetric metric : metrics) {
      result = result.add(metric.name(), DataTypes.DoubleType);
    }
    return result;
  }

  @Override
  public Iterator<Row> call(Iterator<Row> rows) {
    return rows.hasNext() ? TaskDevice.endingLostExecutors(() -> results(rows)) : rows;
  }

  private Iterator<Row> results(Iterator<Row> rows) {
    TextGenerator generator = model.value().newTaskGenerator(threads, counts.layersLoaded());
    List<Integer> indexes = new ArrayList<>();
    List<Conversation> conversations = new ArrayList<>();
    rows.forEachRemaining(
        row -> {
          indexes.add(row.getInt(0));
          conversations.add(ConversationCoder.decode(row.getAs(1)).get(0));
        });
    List<AnswerMetric> judges =
        AnswerMetrics.of(metrics, Optional.of(answerPattern).filter(text -> !text.isEmpty()));
    Runnable rowDone = () -> counts.rowsDone().add(1);
    List<Completion> answers =
        judges.isEmpty()
            ? List.of()
            : generator.complete(
                conversations.stream().map(this::asked).toList(), TextListener.ends(rowDone));
    List<Row> results = new ArrayList<>();
    for (int i = 0; i < indexes.size(); i++) {
      @Nullable Object[] result = new Object[SCORES + judges.size()];
      result[0] = indexes.get(i);
      if (answers.isEmpty()) {
        put(generator.loss(conversations.get(i), extent), result);
        rowDone.run();
      } else {
        put(answers.get(i).loss(), result);
        put(conversations.get(i), answers.get(i), judges, result);
      }
      results.add(RowFactory.create(result));
    }
    return results.iterator();
  }

  private TextPrompt asked(Conversation conversation) {
    Conversation question = conversation.question();
    long number = EncodedConversation.number(question);
    return metrics.contains(Metric.LOSS)
        ? new TextPrompt.Answered(number, conversation, extent)
        : new TextPrompt.Chat(number, question);
  }

  private static void put(TextGenerator.Loss loss, @Nullable Object[] result) {
    if (loss.tokens() > 0) {
      result[1] = loss.loss();
      result[2] = (long) loss.tokens();
    }
  }

  private static void put(
      Conversation conversation,
      Completion made,
      List<AnswerMetric> judges,
      @Nullable Object[] result) {
    AnsweredSample sample = AnsweredSample.of(conversation, made.text());
    result[3] = sample.answer();
    result[4] = made.finish() == Generated.Finish.LENGTH;
    for (int i = 0; i < judges.size(); i++) {
      Judgement judgement = judges.get(i).judge(sample);
      if (judgement.score().isPresent()) {
        result[SCORES + i] = judgement.score().getAsDouble();
      }
      judgement
          .verdict()
          .ifPresent(
              verdict -> {
                result[5] = verdict.kind().name();
                result[6] = verdict.reason();
              });
    }
  }

  static SampleResult read(Row row) {
    Map<String, Double> scores = new HashMap<>();
    for (int i = SCORES; i < row.size(); i++) {
      if (!row.isNullAt(i)) {
        scores.put(row.schema().fieldNames()[i], row.getDouble(i));
      }
    }
    return new SampleResult(
        row.isNullAt(1)
            ? Optional.empty()
            : Optional.of(new Mean.Part(row.getDouble(1), row.getLong(2))),
        row.isNullAt(3)
            ? Optional.empty()
            : Optional.of(new Answer(row.getString(3), row.getBoolean(4))),
        scores,
        row.isNullAt(5)
            ? Optional.empty()
            : Optional.of(new Verdict(Verdict.Kind.valueOf(row.getString(5)), row.getString(6))));
  }
}
