package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.testing.ChildJvm;

/** Groups that no Java buffer can hold are published, sent and saved in parts, to the same bits. */
class LargeGroupsTest {
  /** Many parts of a layer, the last of them shorter, none whole rows of a weight. */
  private static final int TINY = 20_004;

  @TempDir Path scratch;

  @ParameterizedTest
  @CsvSource({"FULL, 1", "FULL, 3", "QLORA, 2"})
  void in_parts_as_in_one(GoldenRun.What what, int ranks) throws Exception {
    assertThat(weights(what, ranks, new ComputeDevice.Cpu(), TINY))
        .isEqualTo(weights(what, ranks, new ComputeDevice.Cpu(), 64 << 20));
  }

  @Test
  void in_parts_where_tensors_are_not_in_the_hosts_memory() throws Exception {
    assertThat(weights(GoldenRun.What.FULL, 2, new ComputeDevice.Staged(), TINY))
        .isEqualTo(weights(GoldenRun.What.FULL, 2, new ComputeDevice.Staged(), 64 << 20));
  }

  private List<String> weights(GoldenRun.What what, int ranks, ComputeDevice device, long buffers)
      throws Exception {
    GoldenRun.Result result =
        new GoldenRun(
                what, Precision.FLOAT32, 0, Files.createDirectories(scratch.resolve("" + buffers)))
            .on(device)
            .withBuffersOf(buffers)
            .run(ranks, 2, step -> 1e-3, 1.0, 0.01);
    List<String> exact = new ArrayList<>();
    result.steps().forEach(step -> exact.add(step.toString()));
    result.weights().forEach((name, x) -> exact.add(name + java.util.Arrays.toString(x)));
    return exact;
  }

  /** {@code -Dlarge.groups=true}: takes about 12 GB of memory, 4 GB of disk and some minutes. */
  @Test
  @EnabledIfSystemProperty(named = "large.groups", matches = "true")
  void the_embedding_of_qwen_7b_trains_a_step_with_a_small_heap() throws Exception {
    List<String> options = new ArrayList<>(ChildJvm.sparkOptions());
    options.addAll(List.of("-XX:+UseSerialGC", "-Xmx768m"));
    Process process =
        new ProcessBuilder(
                ChildJvm.command(options, EmbeddingOf7b.class, scratch.toUri().toString()))
            .redirectErrorStream(true)
            .redirectOutput(ChildJvm.log(LargeGroupsTest.class))
            .start();
    assertThat(process.waitFor(1, TimeUnit.HOURS)).isTrue();
    assertThat(process.exitValue()).isZero();
  }
}
