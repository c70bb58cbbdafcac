package org.sparkfinetune.model.quant;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.testing.ChildJvm;

final class FastestNf4Test {
  @TempDir private Path folder;

  /** Started in a JVM of its own; writes what it chose into the file that it is given. */
  public static final class Main {
    public static void main(String[] args) throws IOException {
      Files.writeString(Path.of(args[0]), Nf4Codec.fastest().getClass().getSimpleName());
    }
  }

  /**
   * @param classes the JVM's log of classes that it loaded
   */
  private record Choice(String codec, String classes) {}

  private Choice choice(String... options) throws IOException, InterruptedException {
    List<String> logging = new ArrayList<>(List.of(options));
    logging.add("-Xlog:class+load");
    Path answer = folder.resolve("answer");
    Path log = folder.resolve("log");
    Process process =
        new ProcessBuilder(ChildJvm.command(logging, Main.class, answer.toString()))
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    int code = process.waitFor();
    String classes = Files.readString(log);
    assertThat(code).as(classes).isZero();
    return new Choice(Files.readString(answer), classes);
  }

  @Test
  void without_the_module_nothing_that_names_it_is_loaded() throws Exception {
    Choice choice = choice();
    assertThat(choice.codec()).isEqualTo("ScalarNf4");
    assertThat(choice.classes())
        .contains("ScalarNf4")
        .doesNotContain("VectorNf4")
        .doesNotContain("Nf4Kernel")
        .doesNotContain("jdk.incubator.vector.");
  }

  @Test
  void with_the_module_vectors_are_chosen() throws Exception {
    assertThat(choice("--add-modules=jdk.incubator.vector").codec()).isEqualTo("VectorNf4");
  }

  @Test
  void vectors_of_a_width_without_a_kernel_fall_back_to_scalar() throws Exception {
    assertThat(choice("--add-modules=jdk.incubator.vector", "-XX:MaxVectorSize=16").codec())
        .isEqualTo("ScalarNf4");
  }
}
