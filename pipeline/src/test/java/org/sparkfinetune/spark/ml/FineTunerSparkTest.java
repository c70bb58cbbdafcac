package org.sparkfinetune.spark.ml;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.expr;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.tuning.TrainValidationSplit;
import org.apache.spark.ml.tuning.TrainValidationSplitModel;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.train.Contexts;
import org.sparkfinetune.spark.train.SampleRun;

/** The shipped sample, trained and answered as a stage of Spark ML. */
class FineTunerSparkTest {
  @TempDir static Path folder;
  private static JavaSparkContext context;
  private static Dataset<Row> rows;
  private static FineTunedModel model;

  @BeforeAll
  static void trainOnce() throws IOException {
    context = Contexts.local();
    SparkSession spark = SparkSession.builder().sparkContext(context.sc()).getOrCreate();
    rows =
        spark
            .read()
            .json(new SampleRun(folder).data().resolve("train_dataset.json").toString())
            .coalesce(1)
            .withColumnRenamed("messages", "talk");
    model = tuner().fit(rows);
  }

  @AfterAll
  static void stop() {
    context.stop();
  }

  private static FineTuner tuner() {
    return new FineTuner()
        .setModelId(SampleRun.MODEL.toString())
        .setOutputDir(folder.resolve("tuned").toString())
        .setMessagesCol("talk")
        .setKey("bf16", false)
        .setKey("max_seq_length", 128)
        .setKey("max_steps", 3)
        .setKey("learning_rate", 2e-3)
        .setKey("eval_strategy", "no");
  }

  private static List<String> runs() throws IOException {
    try (Stream<Path> runs = Files.list(folder.resolve("tuned/runs"))) {
      return runs.map(run -> run.getFileName().toString()).sorted().toList();
    }
  }

  private static List<String> answers(Dataset<Row> answered) {
    return answered.orderBy("number").collectAsList().stream()
        .map(row -> row.<String>getAs("answer"))
        .toList();
  }

  private static Dataset<Row> questions() {
    return rows.limit(3).withColumn("number", col("talk").getItem(0).getField("content"));
  }

  @Test
  void a_saved_model_answers_as_it_did() throws IOException {
    model.setKey("max_new_tokens", 8);
    List<String> answers = answers(model.transform(questions()));
    assertThat(answers).hasSize(3).doesNotContainNull();
    String saved = folder.resolve("saved").toString();
    model.write().overwrite().save(saved);
    FineTunedModel read = FineTunedModel.load(saved);
    assertThat(read.uid()).isEqualTo(model.uid());
    assertThat(read.adapter()).hasValueSatisfying(path -> assertThat(path).startsWith(saved));
    assertThat(answers(read.transform(questions()))).isEqualTo(answers);
  }

  @Test
  void a_second_fit_finds_its_run_and_other_keys_or_rows_make_another() throws IOException {
    List<String> before = runs();
    FineTunedModel again = tuner().fit(rows);
    assertThat(again.adapter()).isEqualTo(model.adapter());
    assertThat(runs()).isEqualTo(before);
    assertThat(tuner().setKey("seed", 7).fit(rows).adapter()).isNotEqualTo(model.adapter());
    assertThat(tuner().fit(rows.limit(40)).adapter()).isNotEqualTo(model.adapter());
    assertThat(runs()).hasSize(before.size() + 2);
  }

  @Test
  void a_pipeline_with_it_is_saved_and_read() throws IOException {
    Pipeline pipeline = new Pipeline().setStages(new PipelineStage[] {tuner()});
    String saved = folder.resolve("pipeline").toString();
    pipeline.write().overwrite().save(saved);
    PipelineModel fitted = Pipeline.load(saved).fit(rows);
    String savedModel = folder.resolve("pipeline-model").toString();
    fitted.write().overwrite().save(savedModel);
    FineTunedModel read = (FineTunedModel) PipelineModel.load(savedModel).stages()[0];
    assertThat(read.adapter()).isPresent();
    assertThat(read.modelId()).isEqualTo(model.modelId());
  }

  @Test
  void a_sweep_chooses_by_what_the_models_answer() {
    FineTuner tuner = tuner().setKey("max_seq_length", 64);
    ParamMap[] rates = {
      new ParamMap().put(tuner.param("learning_rate"), "1e-9"),
      new ParamMap().put(tuner.param("learning_rate"), "3e-2")
    };
    TrainValidationSplitModel swept =
        new TrainValidationSplit()
            .setEstimator(tuner)
            .setEstimatorParamMaps(rates)
            .setEvaluator(new AnswerEvaluator().setMessagesCol("talk"))
            .setTrainRatio(0.9)
            .setSeed(7)
            .fit(rows);
    assertThat(swept.validationMetrics()).hasSize(2).doesNotContain(Double.NaN);
    assertThat(swept.bestModel()).isInstanceOf(FineTunedModel.class);
  }

  @Test
  void rows_of_the_validation_column_are_evaluated_on() throws IOException {
    Dataset<Row> marked = rows.withColumn("held_out", expr("pmod(hash(talk), 8) = 0"));
    FineTunedModel evaluated =
        tuner()
            .setKey("eval_strategy", "steps")
            .setKey("eval_steps", 3)
            .setValidationIndicatorCol("held_out")
            .fit(marked);
    Path run = Path.of(evaluated.adapter().orElseThrow()).getParent();
    assertThat(Files.readString(run.resolve("metrics.jsonl"))).contains("eval_loss");
  }

  @Test
  void what_is_not_there_is_named() {
    assertThatThrownBy(() -> tuner().setKey("lerning_rate", 1))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("There is no key lerning_rate; allowed are model_id, ");
    assertThatThrownBy(() -> tuner().setMessagesCol("none").fit(rows))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("column is none, but the input has [talk]");
    assertThatThrownBy(() -> new FineTuner().setModelId("m").setMessagesCol("talk").fit(rows))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("output_dir is not set");
    assertThatThrownBy(() -> tuner().setKey("lora_r", 0).fit(rows))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("lora_r is 0");
    assertThatThrownBy(() -> new AnswerEvaluator().setMetricName("bleu").evaluate(rows))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("metricName is bleu; allowed are exact_match");
  }
}
