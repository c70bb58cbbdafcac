package org.sparkfinetune.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.NamedShape;
import org.sparkfinetune.store.Store;

final class ModelMakerTest {
  @TempDir private Path folder;

  @Test
  void a_model_has_every_weight_of_its_shape_and_normal_matrices() {
    ModelMaker.write(ModelShape.named("sample"), 1, folder);

    try (Checkpoint checkpoint = open()) {
      assertThat(checkpoint.names()).hasSize(1 + 4 * 9 + 1);
      float[] matrix = read(checkpoint, "model.layers.3.mlp.down_proj.weight", 128 * 384);
      assertThat(mean(matrix)).isCloseTo(0, within(0.001));
      assertThat(deviation(matrix)).isCloseTo(1 / Math.sqrt(128), within(0.001));
      assertThat(share(matrix, 1 / Math.sqrt(128))).isCloseTo(0.683, within(0.01));
      assertThat(read(checkpoint, "model.norm.weight", 128)).containsOnly(1f);
    }
    assertThat(folder.resolve("config.json")).hasContent(ModelShape.named("sample").configJson());
  }

  @Test
  void equal_seeds_give_equal_files_and_other_seeds_do_not() throws IOException {
    for (long seed : new long[] {1, 1, 2}) {
      Path target = folder.resolve(Long.toString(seed));
      Path again = Files.exists(target) ? folder.resolve("again") : target;
      ModelMaker.write(ModelShape.named("sample"), seed, again);
    }
    Path first = folder.resolve("1/model.safetensors");

    assertThat(folder.resolve("again/model.safetensors")).hasSameBinaryContentAs(first);
    assertThat(Files.mismatch(folder.resolve("2/model.safetensors"), first)).isPositive();
  }

  @Test
  void all_named_shapes_have_the_parameters_that_they_are_known_for() {
    assertThat(ModelShape.named("llama-3-8b").config().parameters()).isEqualTo(8_030_261_248L);
    assertThat(ModelShape.named("llama-3-70b").config().parameters()).isEqualTo(70_553_706_496L);
    assertThat(ModelShape.named("llama-135m").config().parameters()).isEqualTo(134_515_008L);
    assertThat(ModelShape.named("slice-1b").config().parameters()).isEqualTo(374_360_064L);
    assertThat(ModelShape.named("qwen3-30b-a3b").config().parameters()).isEqualTo(30_532_122_624L);
  }

  @Test
  void experts_are_quantised_one_by_one_and_routers_are_not() {
    Path mixture =
        Path.of("src/test/resources/golden/variants/families/qwen3moe-listed/config.json");
    ModelMaker.write(ModelShape.named(mixture.toString()), 1, folder, ModelMaker.Storage.NF4);

    try (ModelFolder model =
        ModelFolder.open(
            new org.apache.hadoop.fs.Path(folder.toUri()), new Store(new Configuration(false)))) {
      assertThat(model.weights().stream().map(NamedShape::name).filter(model::isQuantized))
          .hasSize(3 * 4 + 2 * 4 * 3 + 3)
          .contains("model.layers.2.mlp.experts.3.down_proj.weight")
          .doesNotContain("model.layers.2.mlp.gate.weight");
    }
  }

  @Test
  void an_unknown_shape_is_answered_with_those_there_are() {
    assertThatThrownBy(() -> ModelShape.named("llama-9"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("llama-9")
        .hasMessageContaining("llama-3-8b");
  }

  @Test
  void a_model_is_never_overwritten() {
    ModelMaker.write(ModelShape.named("sample"), 1, folder);

    assertThatThrownBy(() -> ModelMaker.write(ModelShape.named("sample"), 1, folder))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(folder.toString());
  }

  private Checkpoint open() {
    return Checkpoint.open(
        new org.apache.hadoop.fs.Path(folder.toUri()), new Store(new Configuration()));
  }

  private static float[] read(Checkpoint checkpoint, String name, int count) {
    ByteBuffer bytes = ByteBuffer.allocate(2 * count).order(ByteOrder.LITTLE_ENDIAN);
    checkpoint.read(name, 0, bytes);
    float[] values = new float[count];
    Floats.toFloats(DType.BF16, bytes.flip(), values, 0, count);
    return values;
  }

  private static double mean(float[] values) {
    double sum = 0;
    for (float value : values) {
      sum += value;
    }
    return sum / values.length;
  }

  private static double deviation(float[] values) {
    double sum = 0;
    for (float value : values) {
      sum += value * value;
    }
    return Math.sqrt(sum / values.length);
  }

  private static double share(float[] values, double within) {
    int inside = 0;
    for (float value : values) {
      inside += Math.abs(value) < within ? 1 : 0;
    }
    return inside / (double) values.length;
  }
}
