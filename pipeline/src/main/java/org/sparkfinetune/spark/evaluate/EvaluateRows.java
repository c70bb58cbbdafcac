package org.sparkfinetune.spark.evaluate;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.data.tokenize.LossExtent;
import org.sparkfinetune.inference.evaluate.ModelResult.Mean;
import org.sparkfinetune.inference.evaluate.SampleResult;
import org.sparkfinetune.inference.evaluate.SampleResult.Answer;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;
import org.sparkfinetune.inference.evaluate.SchemaText;
import org.sparkfinetune.inference.evaluate.SqlJudge;
import org.sparkfinetune.inference.generate.TextGenerator;
import org.sparkfinetune.inference.generate.TextGenerator.Completion;
import org.sparkfinetune.inference.generate.TextGenerator.TextListener;
import org.sparkfinetune.inference.generate.TextGenerator.TextPrompt;
import org.sparkfinetune.spark.dataset.ConversationCoder;
import org.sparkfinetune.spark.generate.AnswerRows;
import org.sparkfinetune.spark.generate.AnsweringModel;
import org.sparkfinetune.spark.generate.AnsweringProgress;

/** Rows of (index, conversation) into rows of results. */
final class EvaluateRows implements MapPartitionsFunction<Row, Row> {
  private static final long serialVersionUID = 1L;

  static final StructType INPUT =
      new StructType()
          .add("index", DataTypes.IntegerType)
          .add("conversation", DataTypes.BinaryType);

  static final StructType RESULT =
      new StructType()
          .add("index", DataTypes.IntegerType)
          .add("loss", DataTypes.DoubleType)
          .add("tokens", DataTypes.LongType)
          .add("generated", DataTypes.StringType)
          .add("exact", DataTypes.BooleanType)
          .add("normalised", DataTypes.BooleanType)
          .add("kind", DataTypes.StringType)
          .add("reason", DataTypes.StringType);

  private final Broadcast<AnsweringModel> model;
  private final boolean loss;
  private final LossExtent extent;
  private final boolean answer;
  private final boolean execute;
  private final int threads;
  private final AnsweringProgress.Counts counts;

  EvaluateRows(
      Broadcast<AnsweringModel> model,
      Set<Metric> metrics,
      LossExtent extent,
      int threads,
      AnsweringProgress.Counts counts) {
    this.model = model;
    this.loss = metrics.contains(Metric.LOSS);
    this.extent = extent;
    this.execute = metrics.contains(Metric.EXECUTION_MATCH);
    this.answer = execute || metrics.contains(Metric.EXACT_MATCH);
    this.threads = threads;
    this.counts = counts;
  }

  @Override
  public Iterator<Row> call(Iterator<Row> rows) {
    if (!rows.hasNext()) {
      return rows;
    }
    TextGenerator generator = model.value().newTaskGenerator(threads, counts.layersLoaded());
    List<Integer> indexes = new ArrayList<>();
    List<Conversation> conversations = new ArrayList<>();
    rows.forEachRemaining(
        row -> {
          indexes.add(row.getInt(0));
          conversations.add(ConversationCoder.decode(row.getAs(1)).get(0));
        });
    // First, and it takes little: a conversation is done when it is answered.
    List<Optional<TextGenerator.Loss>> losses = new ArrayList<>();
    for (Conversation conversation : conversations) {
      losses.add(loss ? measured(conversation, generator) : Optional.empty());
      if (!answer) {
        counts.rowsDone().add(1);
      }
    }
    List<Completion> answers =
        answer
            ? generator.complete(
                conversations.stream()
                    .map(AnswerRows::question)
                    .<TextPrompt>map(c -> new TextPrompt.Chat(EncodedConversation.number(c), c))
                    .toList(),
                TextListener.ends(() -> counts.rowsDone().add(1)))
            : List.of();
    List<Row> results = new ArrayList<>();
    for (int i = 0; i < indexes.size(); i++) {
      Optional<Completion> made = answer ? Optional.of(answers.get(i)) : Optional.empty();
      results.add(result(indexes.get(i), conversations.get(i), losses.get(i), made));
    }
    return results.iterator();
  }

  private Optional<TextGenerator.Loss> measured(
      Conversation conversation, TextGenerator generator) {
    return Optional.of(generator.loss(conversation, extent)).filter(l -> l.tokens() > 0);
  }

  private Row result(
      int index,
      Conversation conversation,
      Optional<TextGenerator.Loss> measured,
      Optional<Completion> made) {
    String expected = expected(conversation);
    Optional<String> text = made.map(completion -> completion.text().strip());
    Optional<Verdict> verdict =
        execute ? text.map(query -> verdict(conversation, expected, query)) : Optional.empty();
    return RowFactory.create(
        index,
        measured.<@Nullable Double>map(TextGenerator.Loss::loss).orElse(null),
        measured.<@Nullable Long>map(l -> (long) l.tokens()).orElse(null),
        text.<@Nullable String>map(t -> t).orElse(null),
        text.filter(t -> Answer.isExact(expected, t)).isPresent(),
        text.filter(t -> Answer.isNormalisedEqual(expected, t)).isPresent(),
        verdict.<@Nullable String>map(v -> v.kind().name()).orElse(null),
        verdict.<@Nullable String>map(Verdict::reason).orElse(null));
  }

  private static Verdict verdict(Conversation conversation, String expected, String generated) {
    return SchemaText.of(conversation)
        .map(schema -> SqlJudge.standard().judge(schema, expected, generated))
        .orElseGet(
            () -> new Verdict(Verdict.Kind.UNJUDGED, "the prompt has no CREATE TABLE statement"));
  }

  static String expected(Conversation conversation) {
    List<Message> messages = conversation.messages();
    return messages.get(messages.size() - 1).content();
  }

  static SampleResult read(Row row) {
    return new SampleResult(
        row.isNullAt(1)
            ? Optional.empty()
            : Optional.of(new Mean.Part(row.getDouble(1), row.getLong(2))),
        Optional.ofNullable(row.getString(3)),
        row.getBoolean(4),
        row.getBoolean(5),
        row.isNullAt(6)
            ? Optional.empty()
            : Optional.of(new Verdict(Verdict.Kind.valueOf(row.getString(6)), row.getString(7))));
  }
}
