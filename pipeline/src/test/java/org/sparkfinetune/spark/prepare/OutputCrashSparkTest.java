package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.DatasetManifest;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.store.Watch.Pace;
import org.sparkfinetune.testing.SparkSessions;

/** The output is there whole or not at all, wherever the job stops. */
final class OutputCrashSparkTest {
  private static final List<String> SCHEMES = List.of("crash", "s3a");
  private final SparkSession spark = SparkSessions.shared();
  @TempDir private Path folder;

  @BeforeEach
  void register() {
    for (String scheme : SCHEMES) {
      spark
          .sparkContext()
          .hadoopConfiguration()
          .set("fs.%s.impl".formatted(scheme), CrashingFileSystem.class.getName());
    }
    CrashingFileSystem.neverCrash();
  }

  @AfterEach
  void unregister() {
    CrashingFileSystem.neverCrash();
    SCHEMES.forEach(
        scheme -> spark.sparkContext().hadoopConfiguration().unset("fs.%s.impl".formatted(scheme)));
  }

  private PrepareReport run(String scheme, Path out, int rows) throws IOException {
    String input =
        Rows.write(folder.resolve("in/rows-%d.jsonl".formatted(rows)), Rows.sqlLines(rows));
    Configs configs = Configs.to(Path.of("unused")).input(input).overwrite();
    return new Prepare(spark, configs.at(scheme + ":" + out).config()).run();
  }

  /** Rows of a whole output; 0 where there is none. Half an output fails. */
  private static long rowsOf(Path out) throws IOException {
    Path manifest = out.resolve(DatasetManifest.NAME);
    if (!Files.exists(manifest)) {
      return 0;
    }
    for (JsonNode file : new ObjectMapper().readTree(manifest.toFile()).get("files")) {
      assertThat(out.resolve(file.get("path").asText())).hasSize(file.get("bytes").asLong());
    }
    return (long) Files.readAllLines(out.resolve("train_dataset.json")).size()
        + Files.readAllLines(out.resolve("test_dataset.json")).size();
  }

  @Test
  void a_job_stopped_at_any_change_leaves_no_output_or_all_of_it() throws IOException {
    run("crash", folder.resolve("whole"), 20);
    int changes = CrashingFileSystem.CHANGES.size();
    assertThat(changes).isGreaterThan(10);
    for (int at = 0; at < changes - 1; at++) {
      Path out = folder.resolve("out" + at);
      CrashingFileSystem.crashAfter(at);
      assertThatThrownBy(() -> run("crash", out, 20))
          .isInstanceOfAny(UserError.class, RunFailure.class)
          .hasMessageContaining("killed before");
      assertThat(out).as(String.valueOf(CrashingFileSystem.CHANGES)).doesNotExist();
    }
    // The last change tidies up; the output is there before it.
    CrashingFileSystem.crashAfter(changes - 1);
    run("crash", folder.resolve("last"), 20);
    assertThat(rowsOf(folder.resolve("last"))).isEqualTo(20);
  }

  @Test
  void replacing_an_output_leaves_the_old_one_or_the_new_one_and_never_a_mixture()
      throws IOException {
    Path out = folder.resolve("out");
    run("crash", out, 20);
    CrashingFileSystem.neverCrash();
    run("crash", out, 30);
    List<String> changes = List.copyOf(CrashingFileSystem.CHANGES);
    int visible = changes.indexOf("rename " + DatasetManifest.NAME);
    // Until the manifest an old output makes no difference, and the test above stops everywhere.
    for (int at = 0; at < changes.size(); at += at < visible - 5 ? 5 : 1) {
      CrashingFileSystem.crashAfter(at);
      try {
        run("crash", out, at % 2 == 0 ? 20 : 30);
      } catch (RuntimeException e) {
        assertThat(e).hasMessageContaining("killed before");
      }
      assertThat(rowsOf(out)).as(String.valueOf(CrashingFileSystem.CHANGES)).isIn(0L, 20L, 30L);
      theNextOneCleansUp(out);
      assertThat(rowsOf(out)).isIn(0L, 20L, 30L);
    }
  }

  @Test
  void on_an_object_store_the_manifest_comes_last_and_nothing_is_renamed() throws IOException {
    Path out = folder.resolve("out");
    run("s3a", out, 20);
    List<String> changes = List.copyOf(CrashingFileSystem.CHANGES);
    assertThat(changes.get(0)).isEqualTo("create " + DatasetManifest.AT_WORK);
    assertThat(changes)
        .endsWith("create " + DatasetManifest.NAME, "delete " + DatasetManifest.AT_WORK);
    assertThat(changes).noneMatch(change -> change.startsWith("rename"));
    assertThat(rowsOf(out)).isEqualTo(20);
    for (int at = 0; at < changes.size() - 1; at++) {
      CrashingFileSystem.crashAfter(at);
      assertThatThrownBy(() -> run("s3a", out, 30)).hasMessageContaining("killed before");
      long rows = rowsOf(out);
      assertThat(rows).isIn(0L, 20L);
      assertThat(isReadable(out)).as("%d rows after %d changes", rows, at).isEqualTo(rows > 0);
      theProcessIsGone(out);
    }
  }

  /** Whether a reader would take the folder for a data set. */
  private boolean isReadable(Path out) throws IOException {
    Store disk = new Store(new Configuration());
    try {
      return DatasetManifest.find(disk, new org.apache.hadoop.fs.Path(out.toUri())).isPresent();
    } catch (UserError unfinished) {
      return false;
    }
  }

  private static void theNextOneCleansUp(Path out) throws IOException {
    CrashingFileSystem.neverCrash();
    try (Stream<Path> files = Files.list(out.getParent())) {
      for (Path sign : files.filter(file -> file.toString().endsWith(".alive")).toList()) {
        isOfAProcessThatIsGone(sign);
      }
    }
    Store disk = new Store(new Configuration());
    new StaleOutputs(disk, new org.apache.hadoop.fs.Path(out.toUri()), Pace.USUAL).clean();
  }

  private static void theProcessIsGone(Path out) throws IOException {
    Path sign = out.resolve(DatasetManifest.AT_WORK);
    if (Files.exists(sign)) {
      isOfAProcessThatIsGone(sign);
    }
  }

  /** Stopping was only played, so the sign of life has to tell of a process that is gone. */
  private static void isOfAProcessThatIsGone(Path sign) throws IOException {
    String owner = Files.readString(sign);
    Files.writeString(sign, owner.replaceFirst("process \\d+", "process 999999999999"));
  }

  @Test
  void a_folder_that_cannot_be_made_is_the_users_to_change() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "x");
    assertThatThrownBy(() -> run("file", file.resolve("out"), 3))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("output: cannot write to file:");
  }
}
