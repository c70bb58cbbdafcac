package org.sparkfinetune.spark.ml;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.not;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.commons.codec.digest.DigestUtils;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkConf;
import org.apache.spark.ml.Estimator;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.KeyTable;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.cluster.ExecutorSettings;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.spark.tokenize.TokenizedHash;
import org.sparkfinetune.spark.train.TrainDriver;
import org.sparkfinetune.spark.train.TrainPreflight;
import org.sparkfinetune.store.Staging;
import org.sparkfinetune.store.Store;

/**
 * {@code train} as Spark ML's {@code Estimator}: fine-tunes a model on a column of conversations.
 *
 * <pre>{@code
 * FineTunedModel model =
 *     new FineTuner().setModelId("/models/llama").setOutputDir("hdfs:///runs/mine").fit(train);
 * model.transform(questions);
 * }</pre>
 *
 * <p>Every key of {@code train} is a {@code Param} of its name, whose values are texts as on the
 * command line: {@code setKey("learning_rate", 1e-4)}, {@code param("learning_rate")} for a grid. A
 * run is below {@code output_dir}, named after its configuration and rows, so that a second {@code
 * fit} of the same goes on where the first was cut off, or finds it done. The session's executors
 * have to be those that {@code train} asks for ({@link #settings}, or the files in {@code
 * conf/spark}).
 *
 * <p>Runs share what is the same for them: packed rows in {@code output_dir/tokenized}, by their
 * hash; base shards on the executors' disks, as all runs of a host do; and rows that are cached, as
 * those of Spark ML's sweeps are, are written once for a {@code FineTuner} and its copies.
 */
public final class FineTuner extends Estimator<FineTunedModel> implements MLWritable {
  private static final long serialVersionUID = 1L;

  private static final String MODEL_ID = "model_id";
  private static final String OUTPUT_DIR = "output_dir";
  private static final String DATASET_PATH = "dataset_path";
  private static final String MESSAGES = "messages";

  /** Columns that templates get, where the rows have them. */
  private static final List<String> INPUTS = List.of("tools", "documents", "rejected");

  private static final int NAME_LENGTH = 16;

  private final String uid;
  private final Param<String> messagesCol;
  private final Param<String> validationIndicatorCol;
  private final Param<String> result;
  private final transient KeyParams keys;
  private final transient WrittenRows written;

  public FineTuner() {
    this("fineTuner_" + UUID.randomUUID());
  }

  /** For {@code copy} and for readers. */
  public FineTuner(String uid) {
    this(uid, new WrittenRows());
  }

  private FineTuner(String uid, WrittenRows written) {
    this.uid = uid;
    this.written = written;
    this.messagesCol =
        new Param<>(this, "messagesCol", "column of conversations, arrays of {role, content}");
    this.validationIndicatorCol =
        new Param<>(
            this,
            "validationIndicatorCol",
            "column of booleans: the rows with true are evaluated on and not trained");
    this.result = FineTunedModel.Result.param(this);
    this.keys = new KeyParams(this, KeyTable.TRAIN, List.of(DATASET_PATH));
    setDefault(messagesCol, MESSAGES);
    setDefault(result, FineTunedModel.Result.ANSWER.text());
  }

  /** Sets what training asks of executors and {@code conf} does not say, for a session to come. */
  public static SparkConf settings(SparkConf conf) {
    ExecutorSettings.apply(conf, OptionalInt.empty());
    return conf;
  }

  @Override
  public String uid() {
    return uid;
  }

  @Override
  public Param<?>[] params() {
    return keys.and(messagesCol, validationIndicatorCol, result);
  }

  /**
   * A key of {@code train}, for a grid.
   *
   * @throws UserError if there is none of that name
   */
  public Param<String> param(String key) {
    return keys.param(key);
  }

  /**
   * Sets a key of {@code train}.
   *
   * @param value as on the command line, or a number or boolean
   * @throws UserError if there is no such key
   */
  public FineTuner setKey(String key, Object value) {
    set(param(key), KeyParams.text(value));
    return this;
  }

  /** A model's folder, Hadoop URI or hub id. */
  public FineTuner setModelId(String value) {
    return setKey(MODEL_ID, value);
  }

  /** Where data and runs go: storage that driver and executors share. */
  public FineTuner setOutputDir(String value) {
    return setKey(OUTPUT_DIR, value);
  }

  public FineTuner setMessagesCol(String value) {
    set(messagesCol, value);
    return this;
  }

  /** Spark ML's name for the column that keeps rows out of training. */
  public FineTuner setValidationIndicatorCol(String value) {
    set(validationIndicatorCol, value);
    return this;
  }

  /**
   * What models will add to rows, as {@link FineTunedModel#setResult} says: {@code loss} for a
   * sweep that compares losses, which then answers nothing.
   *
   * @throws UserError if it is neither {@code answer} nor {@code loss}
   */
  public FineTuner setResult(String value) {
    set(result, FineTunedModel.Result.of(value).text());
    return this;
  }

  /**
   * Trains to the end.
   *
   * @throws UserError if a key has a value that is not allowed, or the rows have no such column
   */
  @Override
  public FineTunedModel fit(Dataset<?> dataset) {
    SparkSession spark = dataset.sparkSession();
    Store store = Metadata.store(spark);
    transformSchema(dataset.schema());
    for (String key : List.of(MODEL_ID, OUTPUT_DIR)) {
      if (!isSet(param(key))) {
        throw new UserError("%s is not set; call setKey(\"%s\", …).".formatted(key, key));
      }
    }
    Path root = new Path(getOrDefault(param(OUTPUT_DIR)));
    Path data = written.once(dataset, words(root), () -> write(dataset, root, spark, store));
    Loaded<TrainConfig> loaded = loaded(root, data, store);
    if (!TrainPreflight.isFinished(loaded, store)) {
      new TrainDriver(spark, TrainPreflight.check(loaded, store), new Path(root, "tokenized"))
          .run();
    }
    RunFolder run = RunFolder.of(loaded.config().outputDir());
    boolean full = loaded.config().method() == Method.FULL;
    FineTunedModel model =
        new FineTunedModel(
            "fineTunedModel_" + UUID.randomUUID(),
            full ? run.model().toString() : loaded.config().model().modelId(),
            full ? Optional.empty() : Optional.of(run.adapter().toString()));
    return model
        .setMessagesCol(getOrDefault(messagesCol))
        .setResult(getOrDefault(result))
        .setParent(this);
  }

  /** What decides, beside the rows, what is written of them and where. */
  private List<String> words(Path root) {
    return List.of(
        root.toString(),
        getOrDefault(messagesCol),
        isSet(validationIndicatorCol) ? getOrDefault(validationIndicatorCol) : "");
  }

  /** The rows that were written last. Only cached ones are known to be the same at a later fit. */
  private static final class WrittenRows {
    private @Nullable Dataset<?> rows;
    private List<String> words = List.of();
    private @Nullable Path path;

    synchronized Path once(Dataset<?> dataset, List<String> how, Supplier<Path> write) {
      Path before = path;
      boolean same = dataset == rows && words.equals(how) && dataset.storageLevel().isValid();
      if (same && before != null) {
        return before;
      }
      Path made = write.get();
      rows = dataset;
      words = how;
      path = made;
      return made;
    }
  }

  /** The run's folder is named after all that shapes it. */
  private Loaded<TrainConfig> loaded(Path root, Path data, Store store) {
    List<String> words = new ArrayList<>(keys.arguments(this));
    String name =
        DigestUtils.sha256Hex((words + data.getName()).getBytes(StandardCharsets.UTF_8))
            .substring(0, NAME_LENGTH);
    int output = words.indexOf("--" + OUTPUT_DIR);
    words.set(output + 1, new Path(root, "runs/" + name).toString());
    words.addAll(List.of("--" + DATASET_PATH, data.toString()));
    return ConfigLoader.ofUser(store.hadoop()).train(Optional.empty(), words);
  }

  /** The rows as {@code prepare} leaves them, in a folder named after their content. */
  private static Path write(
      Dataset<Row> rows, Path root, Optional<Column> validation, SparkSession spark, Store store) {
    Path unnamed = new Path(root, "data/rows");
    try (Staging staged = store.stage(unnamed)) {
      rows.filter(validation.map(v -> not(v)).orElse(not(col(MESSAGES).isNull())))
          .select(columns(rows.schema()))
          .write()
          .parquet(new Path(staged.path(), "train").toString());
      validation.ifPresent(
          v ->
              rows.filter(v)
                  .select(columns(rows.schema()))
                  .write()
                  .parquet(new Path(staged.path(), DatasetSplit.TEST).toString()));
      String hash =
          TokenizedHash.dataset(
              spark,
              DatasetSplit.train(staged.path(), store),
              DatasetSplit.find(staged.path(), DatasetSplit.TEST, store));
      Path named = new Path(root, "data/" + hash.substring(0, NAME_LENGTH));
      if (!store.exists(named)) {
        store.rename(staged.path(), named);
      }
      return named;
    }
  }

  private Path write(Dataset<?> dataset, Path root, SparkSession spark, Store store) {
    Dataset<Row> rows = dataset.toDF().withColumn(MESSAGES, col(getOrDefault(messagesCol)));
    Optional<Column> validation =
        isSet(validationIndicatorCol)
            ? Optional.of(col(getOrDefault(validationIndicatorCol)))
            : Optional.empty();
    return write(rows, root, validation, spark, store);
  }

  private static Column[] columns(StructType schema) {
    return Stream.concat(Stream.of(MESSAGES), INPUTS.stream())
        .filter(Arrays.asList(schema.fieldNames())::contains)
        .map(name -> col(name))
        .toArray(Column[]::new);
  }

  @Override
  public StructType transformSchema(StructType schema) {
    return FineTunedModel.Result.of(getOrDefault(result)).schema(schema, getOrDefault(messagesCol));
  }

  @Override
  public FineTuner copy(ParamMap extra) {
    return (FineTuner) copyValues(new FineTuner(uid, written), extra);
  }

  @Override
  public MLWriter write() {
    return new Metadata.Writer(Metadata.of(this, Map.of()), (folder, store) -> {});
  }

  /** What {@link #write} wrote. */
  public static MLReader<FineTuner> read() {
    return new MLReader<>() {
      @Override
      public FineTuner load(String path) {
        Metadata saved = Metadata.read(path, FineTuner.class, sparkSession());
        FineTuner tuner = new FineTuner(saved.uid());
        saved.restore(tuner);
        return tuner;
      }
    };
  }

  public static FineTuner load(String path) {
    return read().load(path);
  }
}
