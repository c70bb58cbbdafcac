package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.DatasetManifest;
import org.sparkfinetune.store.Owner;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.store.Watch.Pace;

/** What killed prepares leave is cleaned by the next one; what living ones make is left alone. */
final class StaleOutputsTest {
  private static final String ELSEWHERE = "process 1 on elsewhere, its-id";

  @TempDir private Path folder;
  private final Store store = new Store(new Configuration());
  private String gone;

  @BeforeEach
  void endAProcess() throws Exception {
    Process process = new ProcessBuilder("cat").start();
    gone = Owner.of(process.pid()).text() + "\nbeat 7\n";
    process.destroyForcibly().waitFor();
  }

  private void open() {
    OutputFolder.open(configs().config(), List.of(), store).close();
  }

  private Configs configs() {
    return Configs.to(folder.resolve("out")).input("unused");
  }

  private Path left(String owner) throws IOException {
    String name = "_preparing-out-" + UUID.randomUUID();
    Files.createDirectories(folder.resolve(name).resolve("train"));
    Files.writeString(folder.resolve(name).resolve("train/part"), "x");
    Files.writeString(folder.resolve(name + ".alive"), owner);
    return folder.resolve(name);
  }

  private List<String> names() throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      return all.map(path -> path.getFileName().toString()).toList();
    }
  }

  @Test
  void a_folder_of_a_process_that_is_gone_is_deleted() throws IOException {
    left(gone);
    open();
    assertThat(names()).isEmpty();
  }

  @Test
  void a_folder_of_a_process_that_lives_stays() throws IOException {
    Path folderOfAnother = left(ELSEWHERE);
    Path sign = sign(folderOfAnother);
    clean(() -> Files.writeString(sign, ELSEWHERE + "\nanother beat"));
    assertThat(folderOfAnother.resolve("train/part")).exists();
    assertThat(names()).hasSize(2);
  }

  @ParameterizedTest
  @ValueSource(longs = {-1_000_000, 0, 1_000_000})
  void a_folder_of_another_host_is_deleted_when_it_has_been_silent_for_long(long clockAhead)
      throws IOException {
    Path silent = left(ELSEWHERE);
    Files.setLastModifiedTime(sign(silent), FileTime.from(Instant.now().plusSeconds(clockAhead)));
    clean(() -> {});
    assertThat(names()).isEmpty();
  }

  private interface Change {
    void make() throws IOException;
  }

  /** Looks three times; something happens between two looks. */
  private void clean(Change change) throws IOException {
    Pace.Pause pause =
        () -> {
          try {
            change.make();
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        };
    StaleOutputs stale =
        new StaleOutputs(
            store,
            new org.apache.hadoop.fs.Path(folder.resolve("out").toUri()),
            new Pace(Duration.ofSeconds(1), 3, pause));
    stale.clean();
  }

  private static Path sign(Path left) {
    return left.resolveSibling(left.getFileName() + ".alive");
  }

  @Test
  void folders_of_other_outputs_stay() throws IOException {
    Path other = folder.resolve("_preparing-out-2-" + UUID.randomUUID());
    Files.createDirectories(other);
    open();
    assertThat(other).exists();
  }

  @Test
  void an_output_that_was_moved_aside_when_its_replacement_died_comes_back() throws IOException {
    Path dead = left(gone);
    Path old = folder.resolve(dead.getFileName().toString().replace("_preparing-", "_replaced-"));
    Files.createDirectories(old);
    Files.writeString(old.resolve(DatasetManifest.NAME), "{\"files\": []}");
    assertThatThrownBy(this::open)
        .isInstanceOf(UserError.class)
        .hasMessageContaining("is there already");
    assertThat(names()).containsExactly("out");
    OutputFolder.open(configs().overwrite().config(), List.of(), store).close();
    assertThat(names()).containsExactly("out");
  }

  @Test
  void an_output_under_way_leaves_nothing_when_it_is_given_up() throws IOException {
    try (OutputFolder output = OutputFolder.open(configs().config(), List.of(), store)) {
      assertThat(output.output().getName()).isEqualTo("out");
      assertThat(names()).hasSize(2).allMatch(name -> name.startsWith("_preparing-out-"));
    }
    assertThat(names()).isEmpty();
  }
}
