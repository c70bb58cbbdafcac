package org.sparkfinetune.spark.generate;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.DataFrameReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.GenerateConfig;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.Sampling;
import org.sparkfinetune.data.conversation.RejectedRow;
import org.sparkfinetune.data.conversation.RejectedRow.RejectionReason;
import org.sparkfinetune.data.tokenize.LossExtent;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.cluster.ExecutorSettings;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.spark.model.ModelFolders;
import org.sparkfinetune.spark.model.RunOfAdapter;
import org.sparkfinetune.spark.prepare.StrictInput;
import org.sparkfinetune.spark.prepare.StrictInput.RowCheck;
import org.sparkfinetune.store.Staging;
import org.sparkfinetune.store.Store;

/**
 * Batch inference: a column of prompts or conversations to a column of answers, on all executors.
 *
 * <p>An answer depends on its own prompt, the model and the settings alone; not on the other rows,
 * the partitions or the number of executors. Equal prompts get equal answers, with sampling too.
 *
 * <p>Executors keep a model for as long as the job is open, so that a DataFrame of answers can be
 * evaluated more than once without loading it again. A job that nobody closes keeps them until its
 * DataFrames are garbage or the session ends.
 */
public final class GenerateJob implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(GenerateJob.class);

  /** Answers differ in length, so tasks do; several for each core even that out. */
  private static final int TASKS_PER_CORE = 4;

  /** What else lies beside the data is not read. */
  private static final String PARQUET = "*.[pP][aA][rR][qQ][uU][eE][tT]";

  private final SparkSession spark;
  private final JavaSparkContext context;
  private final Store store;
  private final List<Broadcast<AnsweringModel>> models = new ArrayList<>();

  /**
   * Over a session whose executors were started with {@code --add-modules jdk.incubator.vector}.
   */
  public GenerateJob(SparkSession spark) {
    this.spark = spark;
    this.context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    this.store = new Store(spark.sparkContext().hadoopConfiguration());
  }

  /**
   * Adds the columns {@code answer} (null where a row could not be answered), {@code answer_tokens}
   * and {@code finish_reason} ({@code stop}, {@code length}, or {@code error: …}). Lazy, as
   * transformations are: no row is computed before an action. The model is loaded by the first task
   * of each executor.
   *
   * @param column texts to continue, or arrays of {role, content} to answer; an assistant's last
   *     turn is left out
   * @throws UserError if there is no such column, or it is of another type
   */
  public Dataset<Row> answer(
      Dataset<Row> rows, String column, ModelChoice model, Sampling sampling) {
    boolean conversations = isConversations(rows.schema(), column);
    ExecutorSettings.checkDevice(spark.sparkContext().getConf(), sampling.device());
    return answer(
        rows,
        column,
        conversations,
        AnsweringModel.of(model, sampling, store),
        AnsweringProgress.Counts.of(context));
  }

  private Dataset<Row> answer(
      Dataset<Row> rows,
      String column,
      boolean conversations,
      AnsweringModel model,
      AnsweringProgress.Counts counts) {
    int index = Arrays.asList(rows.schema().fieldNames()).indexOf(column);
    return spread(rows)
        .mapPartitions(
            new AnswerRows(shared(model), index, conversations, threads(), counts),
            Encoders.row(AnswerRows.schema(rows.schema())));
  }

  /**
   * Adds the columns {@code loss} (the mean of a conversation's trained tokens, null where there is
   * none or the row could not be measured), {@code loss_tokens} (how many those are) and {@code
   * loss_error} (why there is no loss). What is trained is what the adapter's run trained, as in
   * {@code evaluate}. Lazy as {@link #answer}.
   *
   * @param column arrays of {role, content} that end with an assistant's answer
   * @throws UserError if there is no such column, or it is of another type
   */
  public Dataset<Row> losses(Dataset<Row> rows, String column, ModelChoice model) {
    StructType schema = measured(rows.schema(), column);
    int index = Arrays.asList(rows.schema().fieldNames()).indexOf(column);
    Broadcast<AnsweringModel> shared =
        shared(AnsweringModel.of(model, Sampling.greedy(1, 1), store));
    LossExtent extent = RunOfAdapter.lossExtent(new ModelFolders(store).located(model), store);
    return spread(rows)
        .mapPartitions(
            new LossRows(shared, index, extent, threads(), AnsweringProgress.Counts.of(context)),
            Encoders.row(schema));
  }

  private Broadcast<AnsweringModel> shared(AnsweringModel model) {
    Broadcast<AnsweringModel> shared = context.broadcast(model);
    models.add(shared);
    return shared;
  }

  private int threads() {
    return spark.sparkContext().getConf().getInt("spark.task.cpus", 1);
  }

  /** How many partitions there are is not known before the rows are computed. */
  private Dataset<Row> spread(Dataset<Row> rows) {
    return rows.repartition(TASKS_PER_CORE * context.defaultParallelism());
  }

  /**
   * The columns of answered rows.
   *
   * @throws UserError as {@link #answer}
   */
  public static StructType answered(StructType rows, String column) {
    boolean unused = isConversations(rows, column);
    return AnswerRows.schema(rows);
  }

  /**
   * The columns of rows with losses.
   *
   * @throws UserError as {@link #losses}
   */
  public static StructType measured(StructType rows, String column) {
    if (!isConversations(rows, column)) {
      throw new UserError(
          "column is %s of type string; losses are those of conversations, arrays of {role, content}."
              .formatted(column));
    }
    return LossRows.schema(rows);
  }

  private static boolean isConversations(StructType schema, String column) {
    if (!Arrays.asList(schema.fieldNames()).contains(column)) {
      throw new UserError(
          "column is %s, but the input has %s."
              .formatted(column, Arrays.toString(schema.fieldNames())));
    }
    DataType type = schema.apply(column).dataType();
    boolean messages =
        type instanceof ArrayType array
            && array.elementType() instanceof StructType message
            && Arrays.asList(message.fieldNames()).containsAll(Arrays.asList("role", "content"));
    if (!messages && !type.equals(DataTypes.StringType)) {
      throw new UserError(
          "column is %s of type %s; prompts are texts, or arrays of {role, content}."
              .formatted(column, type.simpleString()));
    }
    return messages;
  }

  /**
   * Frees the models on all executors. What {@link #answer} and {@link #losses} gave cannot be
   * evaluated any more.
   */
  @Override
  public void close() {
    models.forEach(Broadcast::destroy);
    models.clear();
  }

  /**
   * Answers the rows of a file or folder, in any format of prepare's input, and writes them as
   * Parquet. The output appears when all of it is there.
   *
   * @return how many rows were written
   */
  public long run(GenerateConfig.Batch batch, ModelChoice model, Sampling sampling) {
    Path output = new Path(batch.output());
    if (store.exists(output)) {
      throw new UserError(
          "output is %s, which exists. Name another folder, or delete it.".formatted(output));
    }
    ExecutorSettings.checkDevice(spark.sparkContext().getConf(), sampling.device());
    try (Staging staged = store.stage(output)) {
      write(batch, model, sampling, staged.path());
      staged.publish();
    }
    long rows = DatasetSplit.literally(spark).parquet(output.toString()).count();
    LOG.info("{} rows written to {}", rows, output);
    return rows;
  }

  private void write(GenerateConfig.Batch batch, ModelChoice model, Sampling sampling, Path to) {
    Dataset<Row> rows = read(batch);
    boolean conversations = isConversations(rows.schema(), batch.column());
    AnsweringModel answering = AnsweringModel.of(model, sampling, store);
    try (AnsweringProgress progress =
        new AnsweringProgress(context, "generate", rows.count(), answering.layers())) {
      answer(rows, batch.column(), conversations, answering, progress.counts())
          .write()
          .parquet(to.toString());
    }
  }

  /**
   * Parquet by Spark, text as strictly as {@code prepare} reads it: a row that is no object, or has
   * a prompt of another type, ends the job before any model is loaded.
   */
  private Dataset<Row> read(GenerateConfig.Batch batch) {
    StrictInput input = new StrictInput(spark, batch.input(), batch.csv());
    if (input.isText()) {
      String column = batch.column();
      input.check(new PromptCheck(column, Prompt.ANY));
      Dataset<Row> rows = input.rows();
      // Of texts and conversations in one column Spark makes texts.
      Prompt kind = isConversations(rows.schema(), column) ? Prompt.CONVERSATION : Prompt.TEXT;
      input.check(new PromptCheck(column, kind));
      return rows;
    }
    try {
      // A glob only where nothing is there under the very name.
      DataFrameReader reader =
          store.exists(new Path(batch.input())) ? DatasetSplit.literally(spark) : spark.read();
      return reader.option("pathGlobFilter", PARQUET).parquet(batch.input());
    } catch (Exception e) {
      // Spark throws a checked AnalysisException that its Scala methods do not declare.
      throw new UserError(
          "input is %s, which cannot be read as Parquet: %s"
              .formatted(
                  batch.input(), String.valueOf(e.getMessage()).lines().findFirst().orElse("")),
          e);
    }
  }

  private enum Prompt {
    TEXT,
    CONVERSATION,
    ANY
  }

  /**
   * A prompt that is null is answered with an error; one of another type would be made a text. No
   * lambda, see {@code SentLambdasTest}.
   */
  private record PromptCheck(String column, Prompt kind) implements RowCheck {
    private static final long serialVersionUID = 1L;

    @Override
    public void check(ObjectNode row) throws RejectedRow {
      JsonNode prompt = row.path(column);
      boolean text = prompt.isTextual() && kind != Prompt.CONVERSATION;
      boolean conversation = prompt.isArray() && kind != Prompt.TEXT;
      if (!prompt.isMissingNode() && !prompt.isNull() && !text && !conversation) {
        throw new RejectedRow(
            RejectionReason.WRONG_TYPE,
            "%s is of type %s; prompts are texts, or arrays of {role, content}, in all rows the same"
                .formatted(column, prompt.getNodeType().name().toLowerCase(Locale.ROOT)));
      }
      for (JsonNode message : prompt) {
        for (String field : List.of("role", "content")) {
          JsonNode value = message.path(field);
          if (!value.isTextual() && !value.isNull() && !value.isMissingNode()) {
            throw new RejectedRow(
                RejectionReason.WRONG_TYPE,
                "%s of a message in %s is no text but %s".formatted(field, column, value));
          }
        }
      }
    }
  }
}
