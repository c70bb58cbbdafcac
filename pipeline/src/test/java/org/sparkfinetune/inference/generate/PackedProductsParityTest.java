package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.DeviceModel.Numbers;
import org.sparkfinetune.inference.generate.Generator.Prompt;
import org.sparkfinetune.inference.generate.Matrix.PlainMatrix;
import org.sparkfinetune.model.safetensors.DType;

/**
 * Decoding with libtorch's products against transformers, PEFT and decoding by vectors: in float32,
 * where nothing is rounded, and in bfloat16, as tasks do.
 */
final class PackedProductsParityTest {
  private static final String ADAPTER = "trajectory-qlora-float32";

  private static DecodingModel model(BaseForm form) {
    return GoldenTexts.model(GoldenTexts.GOLDEN.resolve("model"), Optional.empty(), form);
  }

  private static PackedWeights packed(DecodingModel model, ElementType type, int threads) {
    return PackedWeights.of(model.groups(), Torch.start(1), type, threads);
  }

  static List<String> families() throws IOException {
    return GoldenTexts.families();
  }

  @ParameterizedTest
  @MethodSource("families")
  void every_family_continues_greedily_as_transformers_does(String name) {
    try (DecodingModel model = GoldenTexts.family(name);
        PackedWeights packed = packed(model, ElementType.FLOAT32, 3)) {
      for (int batch : new int[] {1, 2}) {
        try (Generator generator = new Generator(model, Optional.of(packed), batch, batch)) {
          GoldenTexts.assertContinuesAsTransformers(generator, name);
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "AS_STORED, trajectory-lora-float32, 1e-5",
    "NF4_FLOAT32, trajectory-qlora-float32, 1e-4"
  })
  void an_adapter_answers_as_in_peft(BaseForm form, String adapter, double tolerance) {
    try (DecodingModel model = GoldenTexts.withAdapter(form, adapter);
        PackedWeights packed = packed(model, ElementType.FLOAT32, 2);
        Generator generator = new Generator(model, Optional.of(packed), 2, 8)) {
      GoldenTexts.assertAnswersAsPeft(generator, adapter, tolerance);
    }
  }

  @ParameterizedTest
  @CsvSource({"bias, biased, AS_STORED", "dora, biased, AS_STORED", "dora-nf4, tied, NF4_FLOAT32"})
  void every_token_is_as_likely_as_in_peft(String name, String of, BaseForm form) {
    try (DecodingModel model = GoldenTexts.withOptions(name, of, form);
        PackedWeights packed = packed(model, ElementType.FLOAT32, 2);
        Generator generator = new Generator(model, Optional.of(packed), 2, 8)) {
      GoldenTexts.assertAsLikelyAsInPeft(generator, name);
    }
  }

  /** Weights that decode to bfloat16, in products of float32: as with vectors but for the order. */
  @Test
  void nf4_of_bfloat16_is_decoded_as_for_vectors() {
    int[] ids = GoldenTexts.firstOfRow(60);
    try (DecodingModel model = model(BaseForm.NF4);
        Generator vectors = new Generator(model, 2, 8);
        PackedWeights packed = packed(model, ElementType.FLOAT32, 2);
        Generator products = new Generator(model, Optional.of(packed), 2, 8)) {
      double[] expected = vectors.losses(ids);
      double[] losses = products.losses(ids);
      for (int i = 1; i < ids.length; i++) {
        assertThat(losses[i]).isCloseTo(expected[i], within(1e-4));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"FLOAT32", "BFLOAT16"})
  void neither_the_batch_nor_the_threads_change_a_token(ElementType type) {
    Random random = new Random(5);
    List<int[]> prompts = new ArrayList<>();
    for (int i = 0; i < 13; i++) {
      int length = i % 4 == 0 ? 1 : 10 + random.nextInt(i % 3 == 0 ? 220 : 60);
      prompts.add(random.ints(length, 3, 96).toArray());
    }
    try (DecodingModel model = GoldenTexts.withAdapter(BaseForm.NF4, ADAPTER);
        PackedWeights one = packed(model, type, 1);
        PackedWeights three = packed(model, type, 3);
        Generator alone = new Generator(model, Optional.of(one), 1, 1);
        Generator together = new Generator(model, Optional.of(three), 3, 8)) {
      List<Prompt> asked = GoldenTexts.prompts(prompts);
      List<int[]> made = GoldenTexts.run(together, asked, 11);
      for (int i = 0; i < prompts.size(); i++) {
        assertThat(made.get(i))
            .as("prompt %d", i)
            .isEqualTo(GoldenTexts.run(alone, asked.subList(i, i + 1), 11).get(0));
      }
    }
  }

  @Test
  void texts_with_their_prompts_change_neither_losses_nor_answers() {
    try (DecodingModel model = model(BaseForm.NF4);
        PackedWeights packed = packed(model, ElementType.BFLOAT16, 2);
        Generator together = new Generator(model, Optional.of(packed), 2, 4);
        Generator alone = new Generator(model, Optional.of(packed), 1, 8)) {
      AnsweredTexts texts = new AnsweredTexts();
      texts.assertEqual(together, alone, 0);
      texts.assertReadOnce(together);
    }
  }

  /** bfloat16 has 8 bits: what is likely stays so, by about as much. */
  @Test
  void losses_in_bfloat16_are_near_those_of_vectors() {
    int[] ids = GoldenTexts.firstOfRow(60);
    try (DecodingModel model = GoldenTexts.withAdapter(BaseForm.NF4, ADAPTER);
        Generator vectors = new Generator(model, 2, 8);
        PackedWeights packed = packed(model, ElementType.BFLOAT16, 2);
        Generator products = new Generator(model, Optional.of(packed), 2, 8)) {
      double[] expected = vectors.losses(ids);
      double[] losses = products.losses(ids);
      assertThat(losses).isNotEqualTo(expected);
      for (int i = 1; i < ids.length; i++) {
        assertThat(losses[i])
            .as("token %d", i)
            .isCloseTo(expected[i], within(0.1 + 0.03 * expected[i]));
      }
      assertThat(Arrays.stream(losses).sum())
          .isCloseTo(Arrays.stream(expected).sum(), within(0.005 * Arrays.stream(expected).sum()));
    }
  }

  private static Linear linear(float[] w, int out, int in) {
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(w.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(w);
    return new Linear(new PlainMatrix(out, in, bytes, DType.F32), new float[0], Optional.empty());
  }

  private static float[] floats(Random random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7})
  void pieces_may_hold_rows_of_several_linears(int threads) {
    Random random = new Random(2);
    int in = 70;
    int n = 19;
    List<float[]> weights =
        IntStream.of(100, 5, 37).mapToObj(out -> floats(random, out * in)).toList();
    List<Linear> linears = weights.stream().map(w -> linear(w, w.length / in, in)).toList();
    List<float[]> results = linears.stream().map(one -> new float[n * one.out()]).toList();
    float[] x = floats(random, n * in);
    try (PackedWeights packed =
            PackedWeights.of(Stream.of(linears), Torch.start(1), ElementType.FLOAT32, threads);
        SpinningPool pool = new SpinningPool(threads);
        PackedProducts products = new PackedProducts(packed, pool, n)) {
      assertThat(products.apply(linears, x, n, results)).isTrue();
    }
    for (int i = 0; i < linears.size(); i++) {
      int out = linears.get(i).out();
      for (int at = 0; at < n * out; at++) {
        double expected = 0;
        for (int k = 0; k < in; k++) {
          expected += weights.get(i)[at % out * in + k] * x[at / out * in + k];
        }
        assertThat((double) results.get(i)[at]).isCloseTo(expected, within(1e-4));
      }
    }
  }

  @Test
  void says_why_answers_are_decoded_by_vectors() {
    long room = Long.MAX_VALUE;
    try (DecodingModel nf4 = model(BaseForm.NF4);
        DecodingModel float32 = model(BaseForm.NF4_FLOAT32)) {
      String ofFloat32 = "the model is computed with in float32";
      assertThat(PackedWeights.objection(nf4, Numbers.FLOAT32, 32, room)).contains(ofFloat32);
      assertThat(PackedWeights.objection(float32, Numbers.OF_THE_WEIGHTS, 32, room))
          .contains(ofFloat32);
      assertThat(PackedWeights.objection(nf4, Numbers.OF_THE_WEIGHTS, 7, room))
          .contains("batch_size is below 8");
      assertThat(PackedWeights.objection(nf4, Numbers.OF_THE_WEIGHTS, 8, room))
          .contains("the model is small");
    }
    long gib = 1L << 30;
    assertThat(PackedWeights.objection(gib, 3 * gib / 2)).isEmpty();
    assertThat(PackedWeights.objection(gib, gib))
        .contains("that takes 1.5 GiB beside the heap, and there is room for 1.0");
  }
}
