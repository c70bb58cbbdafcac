package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.fsdp.AdamMoments;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.fsdp.TrainableGroup.StateSlice;
import org.sparkfinetune.engine.fsdp.TrainableLayout;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Ops.AdamWStep;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.model.quant.DynamicMap;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.NamedShape;

/** {@code optim: adamw_8bit} beside bitsandbytes' (adamw-8bit.py). */
class AdamW8bitParityTest {
  private static final Path START = Variant.VARIANTS.resolve("adamw-8bit/lora.start");

  @TempDir Path scratch;

  private Variant variant(String name) throws IOException {
    Variant variant = new Variant("adamw-8bit/" + name, scratch).model("model");
    return name.equals("full")
        ? variant.with("method", "full")
        : variant.with("method", "lora").adapter(START);
  }

  /** 20 steps in float32. Moments of 32 bits give weights that are several times further away. */
  @ParameterizedTest
  @CsvSource({"full, 1, 3e-4", "full, 2, 3e-4", "lora, 1, 2e-3", "lora, 2, 2e-3"})
  void twenty_steps_give_the_losses_norms_and_weights_of_bitsandbytes(
      String name, int ranks, double weights) throws IOException {
    Variant variant = variant(name).with("optim", "adamw_8bit");
    variant.compareSteps(ranks, 2e-5, 1e-3);
    assertThat(variant.weightsApart()).isLessThan(weights);
    Variant plain = variant(name).with("optim", "adamw_torch");
    assertThat(plain.run(ranks)).hasSize(20);
    assertThat(plain.weightsApart()).isGreaterThan(3 * weights);
  }

  @Test
  void the_steps_of_one_tensor_give_its_codes_and_maxima() throws IOException {
    try (Torch torch = Torch.start(1);
        Scope scope = torch.scope();
        Checkpoint golden = GoldenRun.open("variants/adamw-8bit/steps.safetensors")) {
      Ops ops = new Ops(torch);
      float[] start = Variant.floats(golden, "start");
      AdamMoments.Type type = AdamMoments.Type.BLOCKWISE_8BIT;
      TrainableLayout layout =
          new TrainableLayout(List.of(NamedShape.of("w", start.length, 1)), 1, type.unit());
      TrainableGroup group =
          new TrainableGroup(
              "g",
              layout,
              InProcessGroup.group(1, ExchangeSettings.defaults()).get(0),
              Optional.empty(),
              ops,
              AdamMoments.Factory.of(type, ops, scope),
              scope);
      group.load((name, first, out, count) -> System.arraycopy(start, (int) first, out, 0, count));
      for (int step = 1; step <= 4; step++) {
        float[] gradient = Variant.floats(golden, "gradient." + step);
        float[] padded = Arrays.copyOf(gradient, (int) layout.sliceElements());
        group.reduceScatter(ops.ofFloats(scope, padded, padded.length), step);
        group.update(scope, new AdamWStep(1, 1e-2, 0.1, 0.9, 0.999, 1e-8, step), 1);
      }
      float[] end = Variant.floats(golden, "end");
      float[] ours = values(group, "parameters/g", end.length);
      assertThat(IntStream.range(0, end.length).filter(i -> isApart(ours[i], end[i])).count())
          .isLessThanOrEqualTo(end.length / 1000);
      for (String moment : List.of("exp_avg", "exp_avg_sq")) {
        byte[] codes = new byte[start.length];
        slice(group, moment + ".codes/g").values().bytes().get(codes);
        assertThatFewAreApart(codes, bytes(golden, moment + ".codes"));
        float[] absmax = Variant.floats(golden, moment + ".absmax");
        // Of a block of zeros the reference keeps 1, its kernels 0; all its values are 0.
        assertThat(absmax[1]).isEqualTo(1);
        absmax[1] = 0;
        assertThat(values(group, moment + ".absmax/g", absmax.length))
            .usingElementComparator((a, b) -> isApart(a, b) ? Float.compare(a, b) : 0)
            .containsExactly(absmax);
      }
    }
  }

  private static boolean isApart(float ours, float theirs) {
    return Math.abs(ours - theirs) > 1e-6f * Math.abs(theirs);
  }

  /**
   * All are equal on a processor of the kind that made the file. Another adds with other rounding,
   * which moves a number across the border between two codes now and then.
   */
  private static void assertThatFewAreApart(byte[] ours, byte[] theirs) {
    assertThat(ours).hasSameSizeAs(theirs);
    int apart = 0;
    for (int i = 0; i < ours.length; i++) {
      int by = Math.abs(Byte.toUnsignedInt(ours[i]) - Byte.toUnsignedInt(theirs[i]));
      assertThat(by).isLessThanOrEqualTo(1);
      apart += by;
    }
    assertThat(apart).isLessThanOrEqualTo(ours.length / 1000);
  }

  private static StateSlice slice(TrainableGroup group, String part) {
    return Objects.requireNonNull(group.state().get(part));
  }

  private static float[] values(TrainableGroup group, String part, int count) {
    return Arrays.copyOf(slice(group, part).values().toFloats(), count);
  }

  private static byte[] bytes(Checkpoint file, String tensor) {
    ByteBuffer bytes = ByteBuffer.allocate((int) file.info(tensor).byteCount());
    file.read(tensor, 0, bytes);
    return bytes.array();
  }

  @Test
  void its_kernel_for_cpus_which_finds_codes_in_a_table_is_near() throws IOException {
    for (String name : List.of("full", "lora")) {
      JsonNode golden = GoldenRun.json("variants/adamw-8bit/" + name + ".json");
      for (int i = 0; i < 20; i++) {
        double loss = golden.path("steps").path(i).path("loss").asDouble();
        double kernel = golden.path("cpu_kernel").path(i).asDouble();
        assertThat(kernel).isCloseTo(loss, within(1e-4 * loss));
      }
    }
  }

  @Test
  void the_maps_are_those_of_bitsandbytes_to_the_bit() throws IOException {
    JsonNode maps = GoldenRun.json("variants/adamw-8bit/maps.json");
    assertThat(DynamicMap.values()).isEqualTo(floats(maps.path("signed"))).hasSize(256);
    assertThat(DynamicMap.unsigned()).isEqualTo(floats(maps.path("unsigned"))).hasSize(256);
  }

  private static float[] floats(JsonNode list) {
    float[] floats = new float[list.size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) list.path(i).asDouble();
    }
    return floats;
  }
}
