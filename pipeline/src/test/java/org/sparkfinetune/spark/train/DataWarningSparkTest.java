package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.data.tokenize.Packer.PackingReport;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderConfigReader;
import org.sparkfinetune.testing.LoggedWarnings;

class DataWarningSparkTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  @TempDir private Path folder;

  private enum Attention {
    OWN_SAMPLE,
    WHOLE_ROW
  }

  @Test
  void only_what_lies_in_rows_counts_against_the_models_positions() throws IOException {
    PackingReport packing = new PackingReport(3, 2, 1, 0, 0, 0, 0, 5, 90, 64, 40, 60, 1, 60);
    assertThat(tooLong(packing, Attention.OWN_SAMPLE, positions(40))).isEmpty();
    assertThat(tooLong(packing, Attention.OWN_SAMPLE, positions(39)))
        .get()
        .extracting(DataWarning::what, DataWarning::advice)
        .satisfies(
            texts ->
                assertThat(texts.toString())
                    .contains(
                        "a sample has 40 tokens, but the model is made for 39 positions (max_position_embeddings)",
                        "Set max_seq_length: 39"));
    assertThat(tooLong(packing, Attention.WHOLE_ROW, positions(60))).isEmpty();
    assertThat(tooLong(packing, Attention.WHOLE_ROW, positions(59)).orElseThrow().what())
        .startsWith("with cross_sample_attention positions run over whole rows");
  }

  @Test
  void a_model_that_names_no_positions_gives_no_warning() throws IOException {
    PackingReport packing = new PackingReport(1, 1, 0, 0, 0, 0, 0, 9, 9, 64, 9_000, 9_000, 1, 9);
    assertThat(tooLong(packing, Attention.OWN_SAMPLE, positions(0))).isEmpty();
  }

  @Test
  void train_warns_of_long_samples_and_of_answers_that_the_template_cuts() throws IOException {
    Path model = Files.createDirectory(folder.resolve("model"));
    try (Stream<Path> files = Files.list(SampleRun.MODEL)) {
      for (Path file : files.toList()) {
        Files.copy(file, model.resolve(file.getFileName()));
      }
    }
    Files.writeString(model.resolve("config.json"), config(16));
    Path template = folder.resolve("short.jinja");
    Files.writeString(
        template,
        "{% for m in messages %}{{ m.role }}: {{ m.content[:30] }}{{ eos_token }}{% endfor %}");
    JavaSparkContext spark = Contexts.local();
    try (LoggedWarnings warnings = new LoggedWarnings(TrainDriver.class)) {
      new SampleRun(folder)
          .train(
              spark,
              folder.resolve("run"),
              "--model_id",
              model.toString(),
              "--chat_template",
              template.toString(),
              "--eval_strategy",
              "no",
              "--max_steps",
              "1");
      assertThat(warnings.lines())
          .anyMatch(line -> line.contains("but the model is made for 16 positions"))
          .anyMatch(
              line -> line.matches(".* leaves out or changes answers in \\d+ of the first 64 .*"));
    } finally {
      spark.stop();
    }
  }

  private static Optional<DataWarning> tooLong(
      PackingReport packing, Attention attention, DecoderConfig model) {
    TrainingData data =
        new ConfigLoader(new Configuration())
            .train(
                Optional.empty(),
                List.of(
                    "--model_id",
                    "m",
                    "--dataset_path",
                    "d",
                    "--output_dir",
                    "o",
                    "--cross_sample_attention",
                    Boolean.toString(attention == Attention.WHOLE_ROW)))
            .config()
            .data();
    return DataWarning.tooLong(packing, data, model);
  }

  private static DecoderConfig positions(int positions) throws IOException {
    return DecoderConfigReader.read(config(positions), "config.json");
  }

  /** The sample's, with other positions; 0: with none. */
  private static String config(int positions) throws IOException {
    ObjectNode json = (ObjectNode) JSON.readTree(SampleRun.MODEL.resolve("config.json").toFile());
    if (positions == 0) {
      json.remove("max_position_embeddings");
    } else {
      json.put("max_position_embeddings", positions);
    }
    return json.toString();
  }
}
