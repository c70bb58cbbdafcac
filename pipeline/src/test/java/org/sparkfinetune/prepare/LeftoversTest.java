package org.sparkfinetune.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.dataset.DatasetManifest;
import org.sparkfinetune.errors.UserError;

/** What killed prepares leave is cleaned by the next one; what living ones make is left alone. */
final class LeftoversTest {
  @TempDir private Path folder;
  private final Configuration hadoop = new Configuration();
  private String gone;

  @BeforeEach
  void endAProcess() throws Exception {
    Process process = new ProcessBuilder("true").start();
    process.waitFor();
    gone = "process %d on %s".formatted(process.pid(), InetAddress.getLocalHost().getHostName());
  }

  private void open() {
    OutputFolder.open(configs().config(), List.of(), hadoop).close();
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
    Path folderOfAnother = left("process 1 on elsewhere");
    open();
    assertThat(folderOfAnother.resolve("train/part")).exists();
    assertThat(names()).hasSize(2);
  }

  @Test
  void a_folder_of_another_host_is_deleted_when_it_has_been_silent_for_long() throws IOException {
    Path silent = left("process 1 on elsewhere");
    Files.setLastModifiedTime(
        silent.resolveSibling(silent.getFileName() + ".alive"),
        FileTime.from(Instant.now().minus(SignOfLife.DEAD_AFTER.plusSeconds(1))));
    open();
    assertThat(names()).isEmpty();
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
    OutputFolder.open(configs().overwrite().config(), List.of(), hadoop).close();
    assertThat(names()).containsExactly("out");
  }

  @Test
  void an_output_under_way_leaves_nothing_when_it_is_given_up() throws IOException {
    try (OutputFolder output = OutputFolder.open(configs().config(), List.of(), hadoop)) {
      assertThat(output.output().getName()).isEqualTo("out");
      assertThat(names()).hasSize(2).allMatch(name -> name.startsWith("_preparing-out-"));
    }
    assertThat(names()).isEmpty();
  }
}
