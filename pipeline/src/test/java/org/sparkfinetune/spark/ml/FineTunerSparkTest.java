package org.sparkfinetune.spark.ml;

import static org.apache.spark.sql.functions.expr;
import static org.apache.spark.sql.functions.sum;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.EvaluateConfig;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.Sampling;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.evaluate.EvaluationReport;
import org.sparkfinetune.inference.evaluate.ModelResult.Mean;
import org.sparkfinetune.spark.evaluate.EvaluateJob;
import org.sparkfinetune.spark.train.Contexts;
import org.sparkfinetune.spark.train.SampleRun;

/** The shipped sample, trained and answered as a stage of Spark ML. */
class FineTunerSparkTest {
  @TempDir static Path folder;
  private static JavaSparkContext context;
  private static Path data;
  private static Dataset<Row> rows;
  private static FineTunedModel model;

  @BeforeAll
  static void trainOnce() throws IOException {
    context = Contexts.local();
    SparkSession spark = SparkSession.builder().sparkContext(context.sc()).getOrCreate();
    data = new SampleRun(folder).data();
    rows =
        spark
            .read()
            .json(data.resolve("train_dataset.json").toString())
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

  @Test
  void losses_are_those_that_evaluate_measures() {
    SparkSession spark = rows.sparkSession();
    Dataset<Row> asked =
        spark
            .read()
            .json(data.resolve("test_dataset.json").toString())
            .withColumnRenamed("messages", "talk");
    FineTunedModel measuring = model.copy(ParamMap.empty()).setResult("loss");
    Dataset<Row> measured = measuring.transform(asked);
    EvaluationReport report =
        new EvaluateJob(spark)
            .run(
                new EvaluateConfig(
                    new ModelChoice(
                        SampleRun.MODEL.toString(),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.empty()),
                    Optional.of(List.of(model.adapter().orElseThrow())),
                    data.toString(),
                    Optional.empty(),
                    Set.of(Metric.LOSS),
                    Optional.empty(),
                    false,
                    Optional.of(folder.toString()),
                    Optional.empty(),
                    Sampling.greedy(1, 1),
                    OptionalInt.empty()));
    Mean expected = report.models().get("adapter").loss().orElseThrow();
    AnswerEvaluator loss = new AnswerEvaluator().setMetricName("loss").setMessagesCol("talk");
    assertThat(loss.isLargerBetter()).isFalse();
    assertThat(new AnswerEvaluator().isLargerBetter()).isTrue();
    assertThat(loss.evaluate(measured)).isCloseTo(expected.value(), within(1e-9));
    assertThat(measured.agg(sum("loss_tokens")).first().getLong(0)).isEqualTo(expected.tokens());
    assertThat(measuring.transformSchema(asked.schema())).isEqualTo(measured.schema());
  }

  @Test
  void a_row_without_a_loss_says_why_and_does_not_count() {
    Dataset<Row> odd =
        rows.limit(1)
            .select(expr("explode(array(talk, slice(talk, 1, 1), null))").as("talk"))
            .coalesce(1);
    Dataset<Row> measured = model.copy(ParamMap.empty()).setResult("loss").transform(odd).cache();
    assertThat(
            measured.filter("loss is null").orderBy("loss_error").collectAsList().stream()
                .map(row -> row.<String>getAs("loss_error")))
        .containsExactly(
            "it does not end with an assistant's answer after a question",
            "the conversation is null");
    AnswerEvaluator loss = new AnswerEvaluator().setMetricName("loss");
    assertThat(loss.evaluate(measured))
        .isEqualTo(measured.filter("loss is not null").first().<Double>getAs("loss"));
    assertThat(loss.evaluate(measured.filter("loss is null"))).isNaN();
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
        .hasMessageContaining("metricName is bleu; allowed are exact_match")
        .hasMessageEndingWith(", loss.");
    assertThatThrownBy(() -> new AnswerEvaluator().setMetricName("loss").evaluate(rows))
        .isInstanceOf(UserError.class)
        .hasMessage(
            "metricName is loss, which needs the column loss, but the rows have [talk]."
                + " FineTuner and FineTunedModel add it after setResult(\"loss\").");
    assertThatThrownBy(() -> tuner().setResult("answers"))
        .isInstanceOf(UserError.class)
        .hasMessage("result is answers; allowed are answer, loss.");
    assertThatThrownBy(
            () -> tuner().setResult("loss").setMessagesCol("text").fit(rows.selectExpr("'a' text")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("column is text of type string; losses are those of conversations");
  }
}
