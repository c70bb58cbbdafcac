package org.sparkfinetune.spark.ml;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;
import org.apache.spark.ml.Model;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.param.Params;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.GenerateConfig;
import org.sparkfinetune.config.KeyTable;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.generate.GenerateJob;
import org.sparkfinetune.store.Store;

/**
 * A fine-tuned model as Spark ML's {@code Transformer}: {@code transform} adds the columns that
 * {@code generate} adds, {@code answer}, {@code answer_tokens} and {@code finish_reason}. A
 * conversation that ends with an assistant's turn is answered without it. The keys of {@code
 * generate} that say how tokens are chosen are {@code Param}s.
 *
 * <p>With {@code setResult("loss")} nothing is answered: the columns are {@code loss}, {@code
 * loss_tokens} and {@code loss_error}, as {@code evaluate} measures the loss of a conversation.
 */
public final class FineTunedModel extends Model<FineTunedModel> implements MLWritable {
  private static final long serialVersionUID = 1L;

  private static final String MODEL_ID = "model_id";
  private static final String ADAPTER = "adapter";

  /** What {@code transform} gives to it. */
  private static final List<String> OWN =
      List.of(
          MODEL_ID, ADAPTER, "prompt", "messages", "input", "output", "column", "chat", "system");

  private final String uid;
  private final String modelId;
  private final Optional<String> adapter;
  private final Param<String> messagesCol;
  private final Param<String> result;
  private final transient KeyParams keys;

  /**
   * @param adapter a PEFT adapter's folder; without it the model alone answers
   */
  public FineTunedModel(String uid, String modelId, Optional<String> adapter) {
    this.uid = uid;
    this.modelId = modelId;
    this.adapter = adapter;
    this.messagesCol =
        new Param<>(this, "messagesCol", "column of conversations, or of texts to continue");
    this.keys = new KeyParams(this, KeyTable.GENERATE, OWN);
    this.result = Result.param(this);
    setDefault(messagesCol, "messages");
    setDefault(result, Result.ANSWER.text());
  }

  @Override
  public String uid() {
    return uid;
  }

  @Override
  public Param<?>[] params() {
    return keys.and(messagesCol, result);
  }

  /** The base model, or the whole one where all weights were trained. */
  public String modelId() {
    return modelId;
  }

  /** The adapter's folder, if an adapter was trained. */
  public Optional<String> adapter() {
    return adapter;
  }

  /** As {@link FineTuner#param}, of {@code generate}'s keys. */
  public Param<String> param(String key) {
    return keys.param(key);
  }

  /** As {@link FineTuner#setKey}, of {@code generate}'s keys: {@code max_new_tokens}, … */
  public FineTunedModel setKey(String key, Object value) {
    set(param(key), KeyParams.text(value));
    return this;
  }

  public FineTunedModel setMessagesCol(String value) {
    set(messagesCol, value);
    return this;
  }

  /**
   * What {@code transform} adds: {@code answer}, or {@code loss}.
   *
   * @throws UserError if it is neither
   */
  public FineTunedModel setResult(String value) {
    set(result, Result.of(value).text());
    return this;
  }

  /** Lazy; executors load the model with their first row and keep it while the session is there. */
  @Override
  public Dataset<Row> transform(Dataset<?> dataset) {
    Store store = Metadata.store(dataset.sparkSession());
    List<String> words = new ArrayList<>(keys.arguments(this));
    words.addAll(List.of("--" + MODEL_ID, modelId, "--prompt", "of the rows"));
    adapter.ifPresent(path -> words.addAll(List.of("--" + ADAPTER, path)));
    GenerateConfig config =
        ConfigLoader.ofUser(store.hadoop()).generate(Optional.empty(), words).config();
    GenerateJob job = new GenerateJob(dataset.sparkSession());
    Dataset<Row> rows = dataset.toDF();
    String column = getOrDefault(messagesCol);
    return switch (Result.of(getOrDefault(result))) {
      case ANSWER -> job.answer(rows, column, config.model(), config.sampling());
      case LOSS -> job.losses(rows, column, config.model());
    };
  }

  @Override
  public StructType transformSchema(StructType schema) {
    return Result.of(getOrDefault(result)).schema(schema, getOrDefault(messagesCol));
  }

  /** What {@code transform} adds to rows. */
  enum Result {
    ANSWER,
    LOSS;

    static Param<String> param(Params owner) {
      return new Param<>(owner, "result", "what transform adds: answer, or loss");
    }

    static Result of(String text) {
      return Arrays.stream(values())
          .filter(result -> result.text().equals(text))
          .findFirst()
          .orElseThrow(
              () -> new UserError("result is %s; allowed are answer, loss.".formatted(text)));
    }

    String text() {
      return name().toLowerCase(Locale.ROOT);
    }

    StructType schema(StructType rows, String column) {
      return switch (this) {
        case ANSWER -> GenerateJob.answered(rows, column);
        case LOSS -> GenerateJob.measured(rows, column);
      };
    }
  }

  @Override
  public FineTunedModel copy(ParamMap extra) {
    FineTunedModel copy = new FineTunedModel(uid, modelId, adapter);
    return copyValues(copy, extra).setParent(parent());
  }

  /** With the adapter; the base model stays where it is, as in PEFT. */
  @Override
  public MLWriter write() {
    Map<String, String> more = new TreeMap<>(Map.of(MODEL_ID, modelId));
    adapter.ifPresent(path -> more.put(ADAPTER, ADAPTER));
    return new Metadata.Writer(
        Metadata.of(this, more),
        (folder, store) ->
            adapter.ifPresent(
                from -> {
                  Path to = new Path(folder, ADAPTER);
                  store.copy(
                      new Path(from),
                      to,
                      List.of("adapter_model.safetensors", "adapter_config.json"));
                  // By which it is known over what weights, and with which template, it was
                  // trained.
                  store.copy(new Path(from, ".."), folder, List.of("config.yaml"));
                }));
  }

  /** What {@link #write} wrote. */
  public static MLReader<FineTunedModel> read() {
    return new MLReader<>() {
      @Override
      public FineTunedModel load(String path) {
        Metadata saved = Metadata.read(path, FineTunedModel.class, sparkSession());
        FineTunedModel model =
            new FineTunedModel(
                saved.uid(),
                saved.get(MODEL_ID),
                Optional.ofNullable(saved.more().get(ADAPTER))
                    .map(name -> new Path(path, name).toString()));
        saved.restore(model);
        return model;
      }
    };
  }

  public static FineTunedModel load(String path) {
    return read().load(path);
  }
}
