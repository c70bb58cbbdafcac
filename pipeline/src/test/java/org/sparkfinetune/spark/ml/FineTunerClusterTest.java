package org.sparkfinetune.spark.ml;

import static org.apache.spark.sql.functions.col;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
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
import org.sparkfinetune.spark.train.Contexts;
import org.sparkfinetune.spark.train.SampleRun;

/** A sweep on two executor processes, and what it chose: saved, read, asked. */
class FineTunerClusterTest {
  @TempDir static Path folder;
  private static JavaSparkContext context;
  private static Dataset<Row> rows;
  private static TrainValidationSplitModel swept;

  @BeforeAll
  static void sweepOnce() throws IOException {
    context = Contexts.twoExecutors(1);
    SparkSession spark = SparkSession.builder().sparkContext(context.sc()).getOrCreate();
    rows =
        spark
            .read()
            .json(new SampleRun(folder).data().resolve("train_dataset.json").toString())
            .coalesce(1)
            .withColumnRenamed("messages", "talk");
    FineTuner tuner =
        new FineTuner()
            .setModelId(SampleRun.MODEL.toString())
            .setOutputDir(folder.resolve("tuned").toString())
            .setMessagesCol("talk")
            .setResult("loss")
            .setKey("bf16", false)
            .setKey("max_seq_length", 128)
            .setKey("max_steps", 3)
            .setKey("eval_strategy", "no");
    ParamMap[] rates = {
      new ParamMap().put(tuner.param("learning_rate"), "1e-9"),
      new ParamMap().put(tuner.param("learning_rate"), "2e-3")
    };
    swept =
        new TrainValidationSplit()
            .setEstimator(tuner)
            .setEstimatorParamMaps(rates)
            .setEvaluator(new AnswerEvaluator().setMetricName("loss"))
            .setTrainRatio(0.9)
            .setSeed(7)
            .fit(rows);
  }

  @AfterAll
  static void stop() {
    context.stop();
  }

  private static List<Path> list(Path path) throws IOException {
    try (Stream<Path> files = Files.list(path)) {
      return files.filter(file -> !file.getFileName().toString().startsWith(".")).sorted().toList();
    }
  }

  /** Two rates on nine tenths of the rows, and the better one on all of them. */
  @Test
  void a_sweep_writes_and_packs_rows_once_for_all_rates() throws IOException {
    Path tuned = folder.resolve("tuned");
    List<Path> runs = list(tuned.resolve("runs"));
    assertThat(runs).hasSize(3);
    for (Path run : runs) {
      assertThat(list(run.resolve("tokenized"))).containsExactly(run.resolve("tokenized/run.json"));
    }
    assertThat(list(tuned.resolve("tokenized"))).hasSize(2);
    assertThat(list(tuned.resolve("data"))).hasSize(2);
  }

  @Test
  void a_sweep_chooses_the_lower_loss() throws IOException {
    double[] losses = swept.validationMetrics();
    assertThat(losses[1]).isPositive().isLessThan(losses[0]);
    Path run = Path.of(((FineTunedModel) swept.bestModel()).adapter().orElseThrow()).getParent();
    assertThat(run.resolve("config.yaml")).content().contains("learning_rate: 0.002");
  }

  @Test
  void a_saved_model_answers_as_it_did() throws IOException {
    FineTunedModel model =
        ((FineTunedModel) swept.bestModel()).setResult("answer").setKey("max_new_tokens", 8);
    Dataset<Row> answered = model.transform(questions()).cache();
    assertThat(answers(answered)).hasSize(3).doesNotContainNull();
    assertThat(new AnswerEvaluator().setMessagesCol("talk").evaluate(answered)).isBetween(0.0, 1.0);
    String saved = folder.resolve("saved").toString();
    model.write().overwrite().save(saved);
    FineTunedModel read = FineTunedModel.load(saved);
    assertThat(read.uid()).isEqualTo(model.uid());
    assertThat(read.adapter()).hasValueSatisfying(path -> assertThat(path).startsWith(saved));
    assertThat(answers(read.transform(questions()))).isEqualTo(answers(answered));
  }

  private static List<String> answers(Dataset<Row> answered) {
    return answered.orderBy("number").collectAsList().stream()
        .map(row -> row.<String>getAs("answer"))
        .toList();
  }

  private static Dataset<Row> questions() {
    return rows.limit(3).withColumn("number", col("talk").getItem(0).getField("content"));
  }
}
