package org.sparkfinetune.quant;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class FastestNf4Test {
  /** Started in a JVM of its own, which answers on standard output. */
  public static final class Main {
    public static void main(String[] args) {
      System.out.println("chosen: " + Nf4Codec.fastest().getClass().getSimpleName());
    }
  }

  private static String run(String... options) throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(List.of(System.getProperty("java.home") + File.separator + "bin/java"));
    command.addAll(List.of(options));
    command.addAll(
        List.of(
            "-Xlog:class+load",
            "-cp",
            System.getProperty("java.class.path"),
            Main.class.getName()));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    return output;
  }

  @Test
  void without_the_module_nothing_that_names_it_is_loaded() throws Exception {
    assertThat(run())
        .contains("chosen: ScalarNf4")
        .doesNotContain("VectorNf4")
        .doesNotContain("Nf4Kernel")
        .doesNotContain("jdk.incubator.vector.");
  }

  @Test
  void with_the_module_vectors_are_chosen() throws Exception {
    assertThat(run("--add-modules=jdk.incubator.vector")).contains("chosen: VectorNf4");
  }

  @Test
  void vectors_of_a_width_without_a_kernel_fall_back_to_scalar() throws Exception {
    assertThat(run("--add-modules=jdk.incubator.vector", "-XX:MaxVectorSize=16"))
        .contains("chosen: ScalarNf4");
  }
}
