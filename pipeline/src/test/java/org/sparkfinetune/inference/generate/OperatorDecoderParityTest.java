package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.inference.generate.DecodingModel.BaseForm;
import org.sparkfinetune.inference.generate.DecodingModel.Layer;
import org.sparkfinetune.inference.generate.DecodingModel.Mlp.Dense;
import org.sparkfinetune.inference.generate.DeviceFit.Kept;
import org.sparkfinetune.inference.generate.DeviceModel.Numbers;
import org.sparkfinetune.inference.generate.Generator.Prompt;
import org.sparkfinetune.inference.generate.Matrix.Nf4Matrix;
import org.sparkfinetune.model.quant.Absmax.PlainAbsmax;
import org.sparkfinetune.model.quant.DoubleQuantization;
import org.sparkfinetune.model.quant.NestedAbsmax;

/** Decoding by operators against transformers, PEFT and decoding by Java's vectors. */
final class OperatorDecoderParityTest {
  private static Torch staged;
  private static Torch cpu;

  /** Where operators run. */
  enum Where {
    CPU,
    STAGED;

    Torch torch() {
      return this == CPU ? cpu : staged;
    }
  }

  @BeforeAll
  static void start() {
    cpu = Torch.start(2);
    staged = Torch.start(2, new ComputeDevice.Staged());
  }

  @AfterAll
  static void stop() {
    staged.close();
    cpu.close();
  }

  private static DecodingModel model(BaseForm form) {
    return GoldenTexts.model(GoldenTexts.GOLDEN.resolve("model"), Optional.empty(), form);
  }

  private static List<Prompt> prompts(int[][] ids) {
    return GoldenTexts.prompts(List.of(ids));
  }

  private static List<int[]> byVectors(DecodingModel model, List<Prompt> prompts, int tokens) {
    try (Generator generator = new Generator(model, 2, 4)) {
      return GoldenTexts.run(generator, prompts, tokens);
    }
  }

  static List<String> families() throws IOException {
    return GoldenTexts.families();
  }

  @ParameterizedTest
  @MethodSource("families")
  void every_family_continues_greedily_as_transformers_does(String name) {
    try (DecodingModel model = GoldenTexts.family(name)) {
      for (Where where : Where.values()) {
        for (int batch : new int[] {1, 2}) {
          try (DeviceModel device = DeviceModel.of(model, where.torch(), Numbers.FLOAT32);
              Generator generator = new Generator(device, batch)) {
            GoldenTexts.assertContinuesAsTransformers(generator, name);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "AS_STORED, trajectory-lora-float32, DECODED, 1e-5",
    "NF4_FLOAT32, trajectory-qlora-float32, DECODED, 1e-4",
    "NF4_FLOAT32, trajectory-qlora-float32, PACKED, 1e-4"
  })
  void an_adapter_answers_as_in_peft(BaseForm form, String adapter, Kept kept, double tolerance) {
    try (DecodingModel model = GoldenTexts.withAdapter(form, adapter);
        DeviceModel device =
            DeviceModel.of(
                model,
                staged,
                Numbers.FLOAT32,
                DeviceModelTest.free(model, ElementType.FLOAT32, kept));
        Generator generator = new Generator(device, 8)) {
      assertThat(device.fit().kept()).isEqualTo(kept);
      GoldenTexts.assertAnswersAsPeft(generator, adapter, tolerance);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "patterns, biased, AS_STORED",
    "bias, biased, AS_STORED",
    "bias-alone, tied, AS_STORED",
    "dora, biased, AS_STORED",
    "dora-nf4, tied, NF4_FLOAT32",
    "tokens, biased, AS_STORED",
    "tokens-tied, tied, AS_STORED"
  })
  void every_token_is_as_likely_as_in_peft(String name, String of, BaseForm form) {
    try (DecodingModel model = GoldenTexts.withOptions(name, of, form);
        DeviceModel device = DeviceModel.of(model, staged, Numbers.FLOAT32);
        Generator generator = new Generator(device, 8)) {
      GoldenTexts.assertAsLikelyAsInPeft(generator, name);
    }
  }

  /** Slots are given away and taken again, caches grow, and prompts are read in several passes. */
  @ParameterizedTest
  @ValueSource(strings = {"qwen3-window", "gemma2", "phi3"})
  void many_prompts_of_all_lengths_are_answered_as_by_vectors(String family) {
    Random random = new Random(5);
    int[][] ids = new int[13][];
    for (int i = 0; i < ids.length; i++) {
      int length = i % 4 == 0 ? 1 : 10 + random.nextInt(i % 3 == 0 ? 330 : 60);
      ids[i] = random.ints(length, 3, 96).toArray();
    }
    try (DecodingModel model = GoldenTexts.family(family);
        DeviceModel device = DeviceModel.of(model, staged, Numbers.FLOAT32);
        Generator generator = new Generator(device, 5)) {
      int context = model.config().contextLength();
      for (int i = 0; i < ids.length; i++) {
        ids[i] = Arrays.copyOf(ids[i], Math.min(ids[i].length, context - 12));
      }
      List<int[]> expected = byVectors(model, prompts(ids), 11);
      assertThat(GoldenTexts.run(generator, prompts(ids), 11)).containsExactlyElementsOf(expected);
      // What an earlier batch has left behind changes nothing.
      assertThat(GoldenTexts.run(generator, prompts(ids), 11)).containsExactlyElementsOf(expected);
    }
  }

  @Test
  void prompts_that_begin_alike_read_their_beginning_once() {
    int[] system = new Random(1).ints(40, 3, 300).toArray();
    int[][] ids = new int[7][];
    for (int i = 0; i < ids.length; i++) {
      int[] own = new Random(i).ints(5 + i, 3, 300).toArray();
      ids[i] = IntStream.concat(IntStream.of(system), IntStream.of(own)).toArray();
    }
    ids[6] = ids[2].clone();
    try (DecodingModel model = model(BaseForm.AS_STORED);
        DeviceModel device = DeviceModel.of(model, staged, Numbers.FLOAT32);
        Generator generator = new Generator(device, 4)) {
      List<int[]> made = GoldenTexts.run(generator, prompts(ids), 3);
      int own = 5 + 6 + 7 + 8 + 9 + 10 + 1 + ids.length * 2;
      assertThat(generator.tokensRead()).isBetween(40L + own, 2 * 40L + own + 7);
      assertThat(made).containsExactlyElementsOf(byVectors(model, prompts(ids), 3));
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void texts_with_their_prompts_change_neither_losses_nor_answers(String family) {
    try (DecodingModel model = GoldenTexts.family(family);
        DeviceModel device = DeviceModel.of(model, staged, Numbers.FLOAT32);
        Generator together = new Generator(device, 3);
        Generator alone = new Generator(model, 2, 8)) {
      new AnsweredTexts().assertEqual(together, alone, 1e-4);
    }
  }

  /** bfloat16 has 8 bits: what is likely stays so, by about as much. */
  @ParameterizedTest
  @EnumSource
  void losses_in_bfloat16_are_near_those_of_vectors(Kept kept) {
    int[] ids = GoldenTexts.firstOfRow(60);
    try (DecodingModel model = GoldenTexts.withAdapter(BaseForm.NF4, "trajectory-qlora-float32");
        Generator vectors = new Generator(model, 2, 8);
        DeviceModel device =
            DeviceModel.of(
                model,
                staged,
                Numbers.OF_THE_WEIGHTS,
                DeviceModelTest.free(model, ElementType.BFLOAT16, kept));
        Generator operators = new Generator(device, 8)) {
      assertThat(device.type()).isEqualTo(ElementType.BFLOAT16);
      assertThat(device.fit().kept()).isEqualTo(kept);
      double[] expected = vectors.losses(ids);
      double[] losses = operators.losses(ids);
      for (int i = 1; i < ids.length; i++) {
        assertThat(losses[i])
            .as("token %d", i)
            .isCloseTo(expected[i], within(0.1 + 0.03 * expected[i]));
      }
      assertThat(Arrays.stream(losses).sum())
          .isCloseTo(Arrays.stream(expected).sum(), within(0.005 * Arrays.stream(expected).sum()));
    }
  }

  /** As bitsandbytes stores NF4 without double quantisation. */
  private static DecodingModel withPlainScales(DecodingModel model) {
    List<Layer> layers =
        model.layers().stream()
            .map(
                layer ->
                    new Layer(
                        withPlainScales(layer.qkv()),
                        withPlainScales(layer.o()),
                        new Dense(
                            withPlainScales(((Dense) layer.mlp()).gateUp()),
                            withPlainScales(((Dense) layer.mlp()).down())),
                        layer.norms()))
            .toList();
    return new DecodingModel(
        model.config(),
        model.embedding(),
        layers,
        model.finalNorm(),
        model.head(),
        UnnamedFile.create());
  }

  private static List<Linear> withPlainScales(List<Linear> linears) {
    return linears.stream().map(OperatorDecoderParityTest::withPlainScales).toList();
  }

  private static Linear withPlainScales(Linear linear) {
    Nf4Matrix matrix = (Nf4Matrix) linear.matrix();
    NestedAbsmax nested = (NestedAbsmax) matrix.absmax();
    float[] scales = new float[nested.blocks()];
    DoubleQuantization.decode(nested, 0, scales.length, scales, 0);
    Nf4Matrix plain =
        new Nf4Matrix(
            matrix.out(), matrix.in(), matrix.packed(), new PlainAbsmax(scales), matrix.rounded());
    return new Linear(plain, linear.bias(), linear.lora());
  }

  @Test
  void scales_that_are_not_quantised_themselves_give_the_same() {
    int[][] ids = {{5, 9, 80}, new Random(3).ints(30, 3, 300).toArray()};
    try (DecodingModel nested = model(BaseForm.NF4_FLOAT32);
        DecodingModel plain = withPlainScales(nested);
        DeviceModel device = DeviceModel.of(plain, staged, Numbers.FLOAT32);
        Generator generator = new Generator(device, 2)) {
      List<int[]> expected = byVectors(nested, prompts(ids), 20);
      assertThat(byVectors(plain, prompts(ids), 20)).containsExactlyElementsOf(expected);
      assertThat(GoldenTexts.run(generator, prompts(ids), 20)).containsExactlyElementsOf(expected);
    }
  }

  /** Of 4,096 tokens of keys and values eight tenths may be used: 12 slots of 256 positions. */
  @Test
  void room_is_counted_in_the_slots_that_are_there() {
    try (DecodingModel model = model(BaseForm.AS_STORED);
        DeviceModel device =
            DeviceModel.of(model, staged, Numbers.FLOAT32, tokensOfCache(model, 4096));
        OperatorDecoder decoder = new OperatorDecoder(device)) {
      assertThat(decoder.hasRoom(new int[] {200, 200, 200, 200, 200})).isTrue();
      assertThat(decoder.hasRoom(new int[] {200, 200, 200, 200, 600})).isFalse();
      assertThat(decoder.hasRoom(new int[] {600})).isTrue();
      List<Decoder.Sequence> sequences = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        sequences.add(decoder.begin());
        decoder.lastLogits(List.of(new Decoder.Input(sequences.get(i), new int[] {5, 6, 7}, 3)));
      }
      sequences.subList(0, 4).forEach(Decoder.Sequence::close);
      // One is left, in the fifth slot of eight.
      assertThat(decoder.hasRoom(new int[] {200, 200})).isTrue();
      assertThat(decoder.hasRoom(new int[] {200, 600})).isFalse();
      sequences.get(4).close();
      assertThat(decoder.hasRoom(new int[] {600})).isTrue();
    }
  }

  private static OptionalLong tokensOfCache(DecodingModel model, int tokens) {
    long weights = DeviceFit.of(model, ElementType.FLOAT32, OptionalLong.of(1L << 40)).weights();
    long cache = tokens * DeviceFit.cacheBytes(model.config(), ElementType.FLOAT32);
    return OptionalLong.of((1L << 30) + weights + cache);
  }
}
