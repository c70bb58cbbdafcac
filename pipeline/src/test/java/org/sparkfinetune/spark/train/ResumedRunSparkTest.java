package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.commons.io.FileUtils;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.metrics.AttemptLog;
import org.sparkfinetune.engine.metrics.AttemptLog.AttemptEvent;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/** Runs that go on on another day, with another data set, or from an earlier checkpoint. */
class ResumedRunSparkTest {
  private static final Clock SATURDAY =
      Clock.fixed(Instant.parse("2026-02-28T23:59:00Z"), ZoneOffset.UTC);
  private static final Clock SUNDAY = Clock.offset(SATURDAY, Duration.ofDays(1));
  private static final String[] TO_THE_END = {"--max_steps", "6"};
  private static final String[] CUT_OFF = {"--max_steps", "3"};
  private static final String[] CUT_OFF_BEFORE_A_SAVE = {
    "--max_steps", "1", "--save_strategy", "no"
  };

  @TempDir static Path shared;
  private static JavaSparkContext spark;
  private static SampleRun sample;
  private static Path template;
  private static Path uninterrupted;
  private static Path cutOff;
  private static Path cutOffBeforeASave;

  /** Of the test that is at work. Always the same, because a run's files name it. */
  private static Path folder;

  private static Path data;
  private static Path run;

  @BeforeAll
  static void trainOnce() throws IOException {
    spark = Contexts.local();
    sample = new SampleRun(shared);
    template = shared.resolve("dated.jinja");
    Files.writeString(
        template,
        "{{ strftime_now('%d %b %Y') }}{% for message in messages %}"
            + "{{ '\\n\\n' + message['role'] + ': ' + message['content'] + eos_token }}"
            + "{% endfor %}");
    folder = shared.resolve("test");
    data = folder.resolve("data");
    run = folder.resolve("run");
    uninterrupted = trained("uninterrupted", TO_THE_END);
    cutOff = trained("cut-off", CUT_OFF);
    cutOffBeforeASave = trained("cut-off-before-a-save", CUT_OFF_BEFORE_A_SAVE);
  }

  /** A run at the place of a test's, which the tests begin with copies of. */
  private static Path trained(String name, String... overrides) throws IOException {
    copyData();
    train(SATURDAY, data, run, overrides);
    return Files.move(run, shared.resolve(name));
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  @BeforeEach
  void begin() throws IOException {
    copyData();
  }

  private static void copyData() throws IOException {
    FileUtils.deleteDirectory(folder.toFile());
    Files.createDirectories(data);
    for (String file : List.of("train_dataset.json", "test_dataset.json")) {
      Files.copy(sample.data().resolve(file), data.resolve(file));
    }
  }

  private static void train(Clock clock, Path data, Path run, String... overrides) {
    List<String> words =
        new ArrayList<>(
            List.of(
                "--dataset_path", data.toString(),
                "--chat_template", template.toString(),
                "--save_steps", "2"));
    words.addAll(List.of(overrides));
    sample.train(spark, clock, run, words.toArray(String[]::new));
  }

  private static void copy(Path from, Path to) throws IOException {
    FileUtils.copyDirectory(from.toFile(), to.toFile());
  }

  /** A run that did not come to its end has no summary. */
  private static void beginWith(Path of) throws IOException {
    copy(of, run);
    Files.delete(run.resolve("summary.json"));
  }

  private static String[] with(String[] overrides, String... more) {
    return Stream.concat(Stream.of(overrides), Stream.of(more)).toArray(String[]::new);
  }

  private static void replace(Path data) throws IOException {
    Path file = data.resolve("train_dataset.json");
    List<String> rows = Files.readAllLines(file);
    Files.write(file, rows.subList(7, rows.size()));
  }

  private static void delete(Path data) throws IOException {
    for (String file : List.of("train_dataset.json", "test_dataset.json")) {
      Files.delete(data.resolve(file));
    }
    Files.delete(data);
  }

  /** DoRA under dropout, embeddings of single tokens, adapters that W is less by, noise, codes. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "--use_dora true --trainable_token_indices 5,9",
        "--method lora --init_lora_weights pissa_niter_4",
        "--neftune_noise_alpha 5 --label_smoothing_factor 0.1",
        "--optim adamw_8bit --lora_r 64"
      })
  void what_is_beside_a_and_b_is_resumed(String options) throws IOException {
    String[] more = options.split(" ");
    Path whole = folder.resolve("whole");
    train(SATURDAY, data, whole, with(TO_THE_END, more));
    train(SATURDAY, data, run, with(CUT_OFF, more));
    Files.delete(run.resolve("summary.json"));
    train(SATURDAY, data, run, with(TO_THE_END, more));
    assertThat(starts()).containsExactly(0L, 3L);
    assertThat(SampleRun.adapter(run)).isEqualTo(SampleRun.adapter(whole));
    assertThat(SampleRun.adapter(run)).isNotEqualTo(SampleRun.adapter(uninterrupted));
  }

  private void assertThatTheRunIsAsIfNothingWas() throws IOException {
    assertThat(SampleRun.adapter(run)).isEqualTo(SampleRun.adapter(uninterrupted));
    assertThat(SampleRun.metrics(run, "loss").stream().map(line -> line.path("step").asLong()))
        .containsExactlyElementsOf(LongStream.rangeClosed(1, 6).boxed().toList());
  }

  private TrainConfig loaded(String... overrides) {
    List<String> words =
        new ArrayList<>(
            List.of(
                "--model_id",
                SampleRun.MODEL.toString(),
                "--dataset_path",
                data.toString(),
                "--output_dir",
                run.toString()));
    words.addAll(List.of(overrides));
    return new ConfigLoader(new Configuration()).train(Optional.empty(), words).config();
  }

  private JsonNode read(String file) throws IOException {
    return new ObjectMapper().readTree(run.resolve(file).toFile());
  }

  private List<Long> starts() {
    Store files = new Store(new Configuration());
    return new AttemptLog(RunFolder.of(run.toString()), files)
        .read().stream()
            .filter(event -> event.kind() == AttemptEvent.Kind.STARTED)
            .map(AttemptEvent::step)
            .toList();
  }

  private static Map<String, byte[]> checkpointOf(Path run, String step) throws IOException {
    try (Stream<Path> files = Files.list(run.resolve("checkpoints").resolve(step))) {
      Map<String, byte[]> content = new TreeMap<>();
      for (Path file : files.toList()) {
        content.put(file.getFileName().toString(), Files.readAllBytes(file));
      }
      return content;
    }
  }

  @Test
  void the_day_of_a_run_stays_what_it_was_when_it_began() throws IOException {
    beginWith(cutOff);
    train(SUNDAY, data, run, TO_THE_END);
    assertThatTheRunIsAsIfNothingWas();
    assertThat(read("tokenized/run.json").path("day").asText()).isEqualTo("2026-02-28");
    assertThat(starts()).containsExactly(0L, 3L);
    assertThat(read("provenance.json").path("data").has("replaced_by")).isFalse();
  }

  @Test
  void the_day_is_the_runs_own_even_if_it_was_cut_off_while_it_packed_its_rows()
      throws IOException {
    beginWith(cutOffBeforeASave);
    String packed = read("provenance.json").path("tokenized_path").asText();
    Files.delete(Path.of(URI.create(packed)).resolve("tokenized.json"));
    train(SUNDAY, data, run, TO_THE_END);
    assertThatTheRunIsAsIfNothingWas();
  }

  @Test
  void a_run_that_begins_on_another_day_tells_that_day() throws IOException {
    train(SUNDAY, data, run, TO_THE_END);
    assertThat(SampleRun.adapter(run)).isNotEqualTo(SampleRun.adapter(uninterrupted));
  }

  @Test
  void a_data_set_prepared_anew_leaves_the_run_its_rows_and_is_named() throws IOException {
    beginWith(cutOff);
    replace(data);
    train(SUNDAY, data, run, TO_THE_END);
    assertThatTheRunIsAsIfNothingWas();
    JsonNode used = read("provenance.json").path("data");
    assertThat(used.path("content_hash").asText())
        .isEqualTo(
            new ObjectMapper()
                .readTree(uninterrupted.resolve("summary.json").toFile())
                .at("/data/content_hash")
                .asText())
        .startsWith("sha256:");
    assertThat(used.path("replaced_by").asText())
        .startsWith("sha256:")
        .isNotEqualTo(used.path("content_hash").asText());
    assertThat(read("summary.json").path("data")).isEqualTo(used);
    assertThat(run.resolve("report.html"))
        .content()
        .contains(used.path("content_hash").asText(), used.path("replaced_by").asText());

    byte[] summary = Files.readAllBytes(run.resolve("summary.json"));
    replace(data);
    train(SUNDAY, data, run, TO_THE_END);
    assertThat(run.resolve("summary.json")).hasBinaryContent(summary);
  }

  @Test
  void a_run_without_a_checkpoint_keeps_its_rows_even_while_the_data_set_is_away()
      throws IOException {
    beginWith(cutOffBeforeASave);
    delete(data);
    assertThat(
            TrainPreflight.missingData(loaded(TO_THE_END), new Store(new Configuration()))
                .orElseThrow())
        .startsWith("dataset_path: there is neither");
    train(SUNDAY, data, run, TO_THE_END);
    assertThatTheRunIsAsIfNothingWas();
    assertThat(read("summary.json").at("/data/replaced_by").asText())
        .startsWith("it cannot be read now: dataset_path: ");
  }

  @Test
  void never_starts_over_with_the_data_set_and_the_day_of_now() throws IOException {
    beginWith(cutOff);
    replace(data);
    train(SUNDAY, data, run, with(TO_THE_END, "--resume_from_checkpoint", "never"));
    Path expected = folder.resolve("expected");
    train(SUNDAY, data, expected, TO_THE_END);
    assertThat(SampleRun.adapter(run)).isEqualTo(SampleRun.adapter(expected));
    assertThat(starts()).containsExactly(0L, 0L);
    assertThat(read("tokenized/run.json").path("day").asText()).isEqualTo("2026-03-01");
  }

  @Test
  void never_needs_a_data_set() throws IOException {
    beginWith(cutOff);
    delete(data);
    assertThatThrownBy(
            () -> train(SUNDAY, data, run, with(TO_THE_END, "--resume_from_checkpoint", "never")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("dataset_path: there is neither");
    assertThat(SampleRun.checkpoints(run)).containsExactly("step-00000002", "step-00000003");
  }

  @Test
  void rows_of_another_path_template_or_length_are_refused() throws IOException {
    beginWith(cutOff);
    Path other = Files.createDirectory(folder.resolve("other"));
    Files.copy(data.resolve("train_dataset.json"), other.resolve("train_dataset.json"));
    replace(other);
    refused(other, TO_THE_END);
    refused(data, with(TO_THE_END, "--chat_template", "chatml"));
    refused(data, with(TO_THE_END, "--max_seq_length", "120"));
    train(SUNDAY, data, run, TO_THE_END);
    assertThatTheRunIsAsIfNothingWas();
  }

  private void refused(Path data, String... overrides) {
    assertThatThrownBy(() -> train(SATURDAY, data, run, overrides))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("was made by another run")
        .hasMessageContaining("hash of the rows: ");
  }

  @Test
  void what_lies_after_a_path_is_set_aside_and_the_run_goes_on_from_the_path() throws IOException {
    beginWith(uninterrupted);
    Map<String, byte[]> last = checkpointOf(run, "step-00000006");
    byte[] metrics = Files.readAllBytes(run.resolve("metrics.jsonl"));
    goBackAndAreCutOff(run.resolve("checkpoints/step-00000002"));
    assertThat(SampleRun.checkpoints(run)).containsExactly("step-00000002");
    Path aside = run.resolve("set-aside-1");
    assertThat(SampleRun.checkpoints(aside)).containsExactly("step-00000004", "step-00000006");
    assertThat(checkpointOf(aside, "step-00000006")).containsExactlyEntriesOf(last);
    assertThat(aside.resolve("metrics.jsonl")).hasBinaryContent(metrics);
    assertThat(aside.resolve("tensorboard")).isNotEmptyDirectory();

    train(SATURDAY, data, run, TO_THE_END);
    assertThatTheRunIsAsIfNothingWas();
    assertThat(starts()).containsExactly(0L, 2L, 2L);
  }

  /** One step further than the checkpoint, without a save. */
  private void goBackAndAreCutOff(Path checkpoint) throws IOException {
    train(
        SATURDAY,
        data,
        run,
        "--max_steps",
        "3",
        "--save_strategy",
        "no",
        "--resume_from_checkpoint",
        checkpoint.toString());
    Files.delete(run.resolve("summary.json"));
  }

  @Test
  void a_checkpoint_of_another_run_begins_a_run_that_goes_on_from_it_with_its_record()
      throws IOException {
    Path checkpoint = folder.resolve("first/checkpoints/step-00000002");
    train(SATURDAY, data, folder.resolve("first"), TO_THE_END);
    beginWith(uninterrupted);
    goBackAndAreCutOff(checkpoint);
    assertThat(SampleRun.checkpoints(run)).isEmpty();
    assertThat(SampleRun.checkpoints(run.resolve("set-aside-1"))).hasSize(3);

    train(SUNDAY, data, run, TO_THE_END);
    assertThatTheRunIsAsIfNothingWas();
    assertThat(starts()).containsExactly(0L, 2L, 2L);
  }

  @Test
  void a_run_whose_first_checkpoint_elsewhere_is_gone_says_so() throws IOException {
    Path first = folder.resolve("first");
    copy(cutOff, first);
    goBackAndAreCutOff(first.resolve("checkpoints/step-00000002"));
    Files.delete(first.resolve("checkpoints/step-00000002/manifest.json"));
    assertThatThrownBy(() -> train(SATURDAY, data, run, TO_THE_END))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("This run went on from file:" + first)
        .hasMessageContaining("resume_from_checkpoint: never begins again");
  }
}
