package org.sparkfinetune.spark.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.Sampling;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.spark.train.Contexts;
import org.sparkfinetune.spark.train.SampleRun;

/** Executors to whose tasks Spark gives GPUs that libtorch does not find. */
final class GenerateOnGpusClusterTest {
  @TempDir Path folder;

  /** Spark asks it which GPUs a worker has. */
  private String discovery() throws IOException {
    Path script = folder.resolve("discover.sh");
    Files.writeString(script, "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [\"0\"]}'\n");
    Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
    return script.toString();
  }

  private static List<Row> answers(SparkSession spark, DeviceChoice device) {
    Dataset<Row> rows =
        spark.createDataset(List.of("SELECT", "How many?"), Encoders.STRING()).toDF("text");
    ModelChoice model =
        new ModelChoice(
            SampleRun.MODEL.toString(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty());
    Sampling sampling = new Sampling(4, false, 1, 1, 0, 1, List.of(), 1, 2, device, true);
    try (GenerateJob job = new GenerateJob(spark)) {
      return job.answer(rows, "text", model, sampling).orderBy("text").collectAsList();
    }
  }

  @Test
  void auto_goes_on_with_the_processor_and_cuda_says_what_is_missing() throws IOException {
    Map<String, String> gpus =
        Map.of(
            "spark.worker.resource.gpu.amount", "1",
            "spark.worker.resource.gpu.discoveryScript", discovery(),
            "spark.executor.resource.gpu.amount", "1",
            "spark.task.resource.gpu.amount", "1",
            "spark.task.maxFailures", "1");
    try (JavaSparkContext context = Contexts.twoExecutors(1, gpus)) {
      SparkSession spark = SparkSession.builder().sparkContext(context.sc()).getOrCreate();
      List<Row> onProcessors = answers(spark, DeviceChoice.CPU);

      assertThat(onProcessors).hasSize(2).allMatch(row -> row.<Integer>getAs("answer_tokens") > 0);
      assertThat(answers(spark, DeviceChoice.AUTO)).isEqualTo(onProcessors);
      assertThatThrownBy(() -> answers(spark, DeviceChoice.CUDA))
          .hasStackTraceContaining("device: cuda");
    }
  }

  @Test
  void cuda_without_gpus_from_spark_is_refused_before_a_model_is_looked_at() {
    try (JavaSparkContext context = Contexts.local()) {
      SparkSession spark = SparkSession.builder().sparkContext(context.sc()).getOrCreate();
      assertThatThrownBy(() -> answers(spark, DeviceChoice.CUDA))
          .hasMessageContaining("device: cuda, but spark.executor.resource.gpu.amount is not set");
    }
  }
}
