package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.config.GenerateConfig;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.Sampling;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.engine.metrics.MaskedSample;
import org.sparkfinetune.engine.metrics.MaskedSample.Loss;
import org.sparkfinetune.spark.check.CheckReport;
import org.sparkfinetune.spark.check.CheckReport.CheckLine.Verdict;
import org.sparkfinetune.spark.check.TrainCheck;
import org.sparkfinetune.spark.generate.GenerateJob;
import org.sparkfinetune.spark.prepare.Prepare;
import org.sparkfinetune.store.Store;

/** Conversations that call tools, from the files that people have to answers. */
class ToolCallsSparkTest {
  private static final String TEMPLATE =
      """
      {%- if not tools %}{{ raise_exception('no tools') }}{% endif %}
      {{- tools | tojson }}
      {%- for d in documents or [] %}{{ d.title }}: {{ d.text }}{% endfor %}
      {%- for m in messages %}
      {{- '<|start_header_id|>' + m.role + '<|end_header_id|>' }}
      {%- for call in m.tool_calls or [] %}
      {{- 'CALL ' + call.function.name }}{{ call.function.arguments | tojson }}
      {%- endfor %}
      {{- (m.content or '') + '<|eot_id|>' }}
      {%- endfor %}
      {%- if add_generation_prompt %}
      {{- '<|start_header_id|>assistant<|end_header_id|>' }}
      {%- endif %}
      """;

  @TempDir private Path folder;
  private final Store store = new Store(new Configuration());

  @Test
  void rows_that_call_tools_go_all_the_way() throws IOException {
    Path template = Files.writeString(folder.resolve("tools.jinja"), TEMPLATE);
    Path data = folder.resolve("data");
    Path run = folder.resolve("run");
    JavaSparkContext context = Contexts.local();
    try {
      SparkSession spark = SparkSession.builder().sparkContext(context.sc()).getOrCreate();
      prepare(spark, data);
      String[] keys = {
        "--dataset_path", data.toString(),
        "--chat_template", template.toString(),
        "--assistant_only_loss", "true",
        "--max_seq_length", "512",
        "--max_steps", "2",
        "--eval_strategy", "no"
      };
      callsAreTrainedAndResultsAreNot(check(spark, run, keys));
      new SampleRun(folder.resolve("unused")).train(context, run, keys);
      assertThat(SampleRun.metrics(run, "loss")).hasSize(2);
      answered(spark, data, run);
    } finally {
      context.stop();
    }
  }

  /** Eight rows, every second with its arguments as objects; some with documents. */
  private void prepare(SparkSession spark, Path to) throws IOException {
    List<String> rows = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of("src/test/resources/cases/tool-calls.jsonl"))) {
      for (String name : List.of("ships", "boats", "rafts", "barges")) {
        String row = line.replace("ship", name).replace("dock", name);
        rows.add(
            name.equals("rafts")
                ? row.replaceFirst(
                    "\\{", "{\"documents\": [{\"title\": \"R\", \"text\": \"few\"}], ")
                : row);
      }
    }
    Path input = Files.write(folder.resolve("rows.jsonl"), rows);
    List<String> words =
        List.of(
            "--dataset",
            "messages",
            "--input",
            input.toString(),
            "--output",
            to.toString(),
            "--test_size",
            "1");
    new Prepare(spark, new ConfigLoader(store.hadoop()).prepare(Optional.empty(), words).config())
        .run();
  }

  private CheckReport check(SparkSession spark, Path run, String... keys) {
    List<String> words = new ArrayList<>(List.of(keys));
    words.addAll(List.of("--model_id", SampleRun.MODEL.toString(), "--output_dir", run.toString()));
    CheckReport report =
        new TrainCheck(new ConfigLoader(store.hadoop()).train(Optional.empty(), words), store)
            .run(spark.sparkContext().getConf(), () -> spark);
    assertThat(report.count(Verdict.FAILED)).as("%s", report.lines()).isZero();
    return report;
  }

  private static void callsAreTrainedAndResultsAreNot(CheckReport report) {
    assertThat(report.samples()).isNotEmpty();
    for (MaskedSample sample : report.samples()) {
      String trained = text(sample, Loss.TRAINED);
      assertThat(trained).contains("CALL row_count{", "\"table\"", "<|eot_id|>");
      assertThat(trained).doesNotContain("Rows of a table", "<|start_header_id|>", "many");
      assertThat(text(sample, Loss.NOT_TRAINED))
          .contains("Rows of a table", "tool<|end_header_id|>")
          .doesNotContain("CALL");
    }
  }

  private static String text(MaskedSample sample, Loss loss) {
    StringBuilder text = new StringBuilder();
    sample.pieces().stream().filter(p -> p.loss() == loss).forEach(p -> text.append(p.text()));
    return text.toString();
  }

  /** By the run's own template, which refuses conversations without tools. */
  private void answered(SparkSession spark, Path data, Path run) {
    String train = data.resolve("train").toString();
    Path without = folder.resolve("without");
    spark.read().parquet(train).limit(1).drop("tools").write().parquet(without.toString());
    ModelChoice model =
        new ModelChoice(
            SampleRun.MODEL.toString(),
            Optional.of(run.resolve("adapter").toString()),
            Optional.empty(),
            Optional.empty(),
            Optional.empty());
    Sampling sampling =
        new Sampling(2, false, 1, 1, 0, 1, List.of(), 1, 4, DeviceChoice.AUTO, true);
    try (GenerateJob job = new GenerateJob(spark)) {
      for (Path input : List.of(data.resolve("train"), without)) {
        job.run(
            new GenerateConfig.Batch(
                input.toString(), "messages", input + "-answers", CsvFormat.RFC_4180),
            model,
            sampling);
      }
    }
    assertThat(spark.read().parquet(train + "-answers").select("finish_reason").collectAsList())
        .hasSize(7)
        .allSatisfy(row -> assertThat(row.getString(0)).doesNotContain("error"));
    Row refused = spark.read().parquet(without + "-answers").first();
    assertThat(refused.<String>getAs("finish_reason")).startsWith("error: ").contains("no tools");
    assertThat(spark.read().parquet(train).where(functions.col("documents").isNotNull()).count())
        .isPositive();
  }
}
