package org.sparkfinetune.spark.prepare;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.testing.SparkSessions;
import org.sparkfinetune.testing.TestHub;

/** Input straight from a hub, which is one on loopback here. */
final class HubInputSparkTest {
  private final SparkSession spark = SparkSessions.shared();
  private final Configuration hadoop = spark.sparkContext().hadoopConfiguration();
  private final TestHub hub = TestHub.dataset("owner/rows");
  @TempDir private Path folder;

  @BeforeEach
  void configure() {
    hadoop.set("finetune.hub.endpoint", hub.endpoint());
    hadoop.set("finetune.hub.cache", folder.resolve("cache").toUri().toString());
  }

  @AfterEach
  void unconfigure() {
    hub.close();
    hadoop.unset("finetune.hub.endpoint");
    hadoop.unset("finetune.hub.cache");
  }

  private static String lines(int from, int to) {
    return String.join("\n", Rows.sqlLines(to).subList(from, to)) + "\n";
  }

  private PrepareReport run(Configs configs) {
    return new Prepare(spark, configs.config()).run();
  }

  @Test
  void both_ready_made_splits_are_taken_by_their_names_and_the_commit_is_reported()
      throws IOException {
    spark.read().json(local("train", lines(0, 60))).coalesce(1).write().parquet(folder + "/p");
    try (var parts = Files.list(folder.resolve("p"))) {
      Path part = parts.filter(p -> p.toString().endsWith(".parquet")).findFirst().orElseThrow();
      hub.large("data/train-00000-of-00001.parquet", Files.readAllBytes(part));
    }
    hub.small("data/test-00000-of-00001.jsonl", lines(60, 70));
    hub.small("README.md", "# rows").small("dataset_infos.json", "{}").small("dev.jsonl", "{");
    PrepareReport report =
        run(Configs.to(folder.resolve("out")).input("hub:owner/rows").testInput("hub:owner/rows"));
    assertThat(report.rows()).isEqualTo(new PrepareReport.Rows(70, 60, 10, 0, 0, 0));
    assertThat(report.notes())
        .contains(
            "input is hub:owner/rows@%s: data/train-00000-of-00001.parquet".formatted(hub.commit()),
            "test_input is hub:owner/rows@%s: data/test-00000-of-00001.jsonl"
                .formatted(hub.commit()));
  }

  private String local(String name, String text) throws IOException {
    return Files.writeString(folder.resolve(name + ".jsonl"), text).toString();
  }

  @Test
  void a_repository_without_splits_is_taken_whole_and_equals_the_same_files_on_disk()
      throws IOException {
    String all = lines(0, 50);
    hub.large("rows_v4.json", ("[" + all.strip().replace("\n", ",") + "]").getBytes(UTF_8));
    run(Configs.to(folder.resolve("a")).input("hub:owner/rows@" + hub.commit()));
    run(Configs.to(folder.resolve("b")).input(local("rows", all)));
    assertThat(folder.resolve("a/train_dataset.json"))
        .hasSameBinaryContentAs(folder.resolve("b/train_dataset.json"));
  }

  @Test
  void a_path_behind_the_name_picks_files() {
    hub.small("en/train.jsonl", lines(0, 20)).small("de/train.jsonl", "{\n");
    assertThat(
            run(Configs.to(folder.resolve("a")).input("hub:owner/rows@main/en/*.jsonl"))
                .rows()
                .in())
        .isEqualTo(20);
    assertThat(run(Configs.to(folder.resolve("b")).input("hub:owner/rows/en/")).rows().in())
        .isEqualTo(20);
    assertThatThrownBy(
            () -> run(Configs.to(folder.resolve("c")).input("hub:owner/rows/fr/*.jsonl")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("input: hub:owner/rows@main has no file for it (fr/*.jsonl)")
        .hasMessageContaining("de/train.jsonl, en/train.jsonl");
  }

  @Test
  void nobody_trains_on_a_test_split_by_accident() {
    hub.small("test.jsonl", lines(0, 20));
    assertThatThrownBy(() -> run(Configs.to(folder.resolve("out")).input("hub:owner/rows")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("has no file for it")
        .hasMessageContaining("Data files there: test.jsonl");
    assertThat(folder.resolve("out")).doesNotExist();
  }

  @ParameterizedTest
  @ValueSource(strings = {"hub:rows", "hub:", "hub:/rows/x", "hub:a/b@", "hub:a/b@/x", "hub:a b/c"})
  void what_is_no_name_on_a_hub_is_answered_with_the_form(String input) {
    assertThatThrownBy(() -> run(Configs.to(folder.resolve("out")).input(input)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("rite")
        .hasMessageContaining("owner/name");
  }

  @ParameterizedTest
  @CsvSource({
    "data/train-00000.parquet,TRAIN",
    "train.jsonl,TRAIN",
    "data/train_sft-0.parquet,TRAIN",
    "my-training/x.csv,TRAIN",
    "TEST.json,TEST",
    "evaluation/part.json,TEST",
    "a/dev/b.json,VALIDATION",
    "latest.json,",
    "trainer.json,",
    "contest/x.json,"
  })
  void names_tell_splits_as_the_hubs_own_library_reads_them(String path, HubInput.Split split) {
    assertThat(HubInput.Split.of(path)).isEqualTo(java.util.Optional.ofNullable(split));
  }

  @Test
  void a_revision_may_be_a_reference_with_slashes() {
    HubInput input = HubInput.parse("input", "hub:a/b@refs/convert/parquet/data/x.parquet");
    assertThat(input.id().revision()).isEqualTo("refs/convert/parquet");
    assertThat(input.path()).contains("data/x.parquet");
    assertThat(List.of(HubInput.parse("input", "hub:a/b@v1").path()))
        .containsExactly(java.util.Optional.empty());
  }
}
