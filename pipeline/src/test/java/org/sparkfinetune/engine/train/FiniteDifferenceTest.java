package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.engine.fsdp.Workers;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderFamily;
import org.sparkfinetune.model.family.DecoderFamily.Activation;
import org.sparkfinetune.model.family.DecoderFamily.Linears;
import org.sparkfinetune.model.family.DecoderFamily.NormWeight;
import org.sparkfinetune.model.family.DecoderFamily.Norms;
import org.sparkfinetune.model.family.DecoderFamily.QkNorm;
import org.sparkfinetune.model.family.DecoderFamily.Rotation;
import org.sparkfinetune.model.family.DecoderFamily.Scales;
import org.sparkfinetune.model.family.DecoderFamily.SoftCaps;
import org.sparkfinetune.model.family.Experts;
import org.sparkfinetune.model.family.LayerAttention;
import org.sparkfinetune.model.family.LayerAttention.QueryGrowth;
import org.sparkfinetune.model.family.LayerAttention.Rope;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.family.ModuleNames;
import org.sparkfinetune.model.family.RopeScaling;
import org.sparkfinetune.model.peft.AdapterConfig.Variant;
import org.sparkfinetune.model.peft.LoraTargets;
import org.sparkfinetune.testing.TestLora;

/** The gradient of each parameter tensor beside finite differences in float64. */
class FiniteDifferenceTest {
  private static final DecoderConfig UNTIED = config(false);

  @TempDir Path scratch;
  private final Random random = new Random(3);
  private final List<PackedRow> rows =
      List.of(SmallModel.row(15, 23, random), SmallModel.row(9, 23, random));

  @Test
  void every_weight_norm_bias_embedding_and_head() {
    SmallModel model = SmallModel.draw(UNTIED, new ModelGroups.Method.Full(), 0, 0, random);
    assertThat(compare(model)).hasSize(3 + 2 * 16);
  }

  @Test
  void an_embedding_that_is_the_head_too() {
    SmallModel model = SmallModel.draw(config(true), new ModelGroups.Method.Full(), 0, 0, random);
    assertThat(compare(model))
        .hasSize(2 + 2 * 16)
        .containsKey("model.embed_tokens.weight")
        .doesNotContainKey("lm_head.weight");
  }

  @Test
  void every_A_and_B_under_dropout_with_embedding_and_head_beside_them() {
    ModelGroups.Method method =
        new ModelGroups.Method.Lora(
            TestLora.targets(UNTIED, 3, 0.7, List.of("all-linear")),
            List.of("embed_tokens", "lm_head"),
            ModelGroups.Base.PLAIN);
    assertThat(compare(SmallModel.draw(UNTIED, method, 0.7, 0.3, random))).hasSize(2 + 2 * 14);
  }

  @ParameterizedTest
  @CsvSource({"BIAS, 0", "BIAS, 0.3", "DORA, 0", "DORA, 0.3"})
  void what_adapters_have_beside_A_and_B(Variant variant, double dropout) {
    ModelGroups.Method method =
        new ModelGroups.Method.Lora(
            TestLora.targets(UNTIED, 3, 0.7, variant), List.of(), ModelGroups.Base.PLAIN);
    assertThat(compare(SmallModel.draw(UNTIED, method, 0.7, dropout, random))).hasSize(2 * 21);
  }

  /** With Gemma's scales and soft caps, which embedding and head have too. */
  @Test
  void embeddings_of_single_tokens_where_the_head_is_tied_and_where_it_is_not() {
    List<Integer> used = List.of(rows.get(0).inputIds()[3], rows.get(1).inputIds()[2]);
    List<Integer> tokens =
        used.get(0).equals(used.get(1)) ? used.subList(0, 1) : List.of(used.get(1), used.get(0));
    DecoderFamily family =
        new DecoderFamily(
            QkNorm.NONE,
            Norms.BEFORE,
            NormWeight.ONE_PLUS,
            Activation.GELU_TANH,
            Linears.SPLIT,
            Rotation.COMPUTED,
            new Scales(3, 0.7, 0.6, 0.8),
            new SoftCaps(6, 9));
    for (DecoderConfig config : List.of(UNTIED, like(family, 4))) {
      ModelGroups.Method method =
          new ModelGroups.Method.Lora(
              TestLora.targets(config, 3, 0.7, Variant.PLAIN, tokens),
              List.of(),
              ModelGroups.Base.PLAIN);
      assertThat(compare(SmallModel.draw(config, method, 0.7, 0, random)))
          .hasSize(1 + 2 * 14)
          .containsKey(LoraTargets.TOKEN_ROWS);
    }
  }

  /** Norms of q and k, before and after, 1 + weight, GELU, scales, soft caps and a window. */
  @Test
  void everything_that_gemma_adds() {
    DecoderFamily family =
        new DecoderFamily(
            QkNorm.PER_HEAD,
            Norms.BOTH,
            NormWeight.ONE_PLUS,
            Activation.GELU_TANH,
            Linears.SPLIT,
            Rotation.COMPUTED,
            new Scales(3, 0.7, 0.6, 0.8),
            new SoftCaps(6, 9));
    DecoderConfig config = like(family, 4);
    assertThat(compare(SmallModel.draw(config, new ModelGroups.Method.Full(), 0, 0, random)))
        .hasSize(2 + 2 * 20);
    assertThat(compare(SmallModel.draw(config, lora(config), 0.7, 0.3, random)))
        .hasSize(2 + 2 * 14);
  }

  /** Norms after alone and of whole projections, fused linears, half of a head that turns. */
  @Test
  void everything_that_olmo_and_phi_add() {
    DecoderFamily family =
        new DecoderFamily(
            QkNorm.WHOLE,
            Norms.AFTER,
            NormWeight.BEFORE_CAST,
            Activation.SILU,
            Linears.FUSED,
            Rotation.FLOAT32,
            Scales.NONE,
            SoftCaps.NONE);
    DecoderConfig config = like(family, 2);
    assertThat(compare(SmallModel.draw(config, new ModelGroups.Method.Full(), 0, 0, random)))
        .hasSize(2 + 2 * (4 + 2 * 4));
    assertThat(compare(SmallModel.draw(config, lora(config), 0.7, 0.3, random))).hasSize(2 + 2 * 8);
  }

  private static ModelGroups.Method lora(DecoderConfig config) {
    return new ModelGroups.Method.Lora(
        TestLora.targets(config, 3, 0.7, List.of("all-linear")),
        List.of("embed_tokens", "lm_head"),
        ModelGroups.Base.PLAIN);
  }

  /** One layer with a window of five tokens, one without positions. */
  private static DecoderConfig like(DecoderFamily family, int turning) {
    QueryGrowth growth = turning == 4 ? new QueryGrowth(0.7, 3) : QueryGrowth.NONE;
    Rope rope = new Rope(10_000, turning, new RopeScaling.Linear(2), growth);
    return new DecoderConfig(
        "any",
        12,
        20,
        6,
        2,
        4,
        23,
        OptionalInt.empty(),
        64,
        1e-5,
        true,
        new DecoderConfig.Biases(true, true, true),
        family,
        List.of(new LayerAttention(5, Optional.of(rope)), new LayerAttention(0, Optional.empty())),
        ModuleNames.DECODER,
        Experts.NONE);
  }

  private Map<String, float[]> compare(SmallModel model) {
    try (Torch torch = Torch.start(1)) {
      SmallModel.Numbers ours = model.ours(torch, rows, scratch);
      Consumer<NaiveDecoder> masks = model.dropout() > 0 ? masks(torch, model) : naive -> {};
      assertThat(ours.loss())
          .isCloseTo(model.naiveLoss(rows, Map.of(), 0, masks), within(1e-5 * ours.loss()));
      ours.gradients().forEach((name, gradient) -> compare(model, name, gradient, masks));
      return ours.gradients();
    }
  }

  /** Along a random direction, which sees all elements, and at three single elements. */
  private void compare(
      SmallModel model, String name, float[] gradient, Consumer<NaiveDecoder> masks) {
    double norm = Math.sqrt(SmallModel.dot(gradient, widen(gradient)));
    assertThat(norm).as(name).isPositive();
    double[] along = random.doubles(gradient.length, -1, 1).toArray();
    check(model, name, gradient, along, norm * Math.sqrt(gradient.length), masks);
    for (int i = 0; i < 3; i++) {
      double[] single = new double[gradient.length];
      single[random.nextInt(single.length)] = 1;
      check(model, name, gradient, single, norm, masks);
    }
  }

  private void check(
      SmallModel model,
      String name,
      float[] gradient,
      double[] direction,
      double scale,
      Consumer<NaiveDecoder> masks) {
    assertThat(SmallModel.dot(gradient, direction))
        .as(name)
        .isCloseTo(model.naiveSlope(rows, Map.of(name, direction), masks), within(1e-5 * scale));
  }

  private static double[] widen(float[] values) {
    double[] wide = new double[values.length];
    java.util.Arrays.setAll(wide, i -> values[i]);
    return wide;
  }

  /** What {@link DropoutMasks} draws for step 1, for the naive model. */
  private Consumer<NaiveDecoder> masks(Torch torch, SmallModel model) {
    DropoutMasks dropout = new DropoutMasks(model.dropout(), 7, model.config(), new Workers(2));
    Map<String, double[]> drawn = new LinkedHashMap<>();
    try (Scope scope = torch.scope()) {
      Ops ops = new Ops(torch);
      Tensor none = ops.empty(scope, ElementType.FLOAT32, 0);
      for (int row = 0; row < rows.size(); row++) {
        TokenBatch batch =
            TokenBatch.of(
                    List.of(new StepRow(rows.get(row), row)),
                    100,
                    TokenBatch.Attention.WITHIN_SAMPLES)
                .get(0);
        for (int layer = 0; layer < 2; layer++) {
          var targets =
              new DropoutMasks.Targets(LinearModule.of(model.config()), ElementType.FLOAT32);
          List<Tensor> layerMasks = dropout.masks(scope, ops, batch, 1, layer, targets, none);
          for (LinearModule module : LinearModule.of(model.config())) {
            double[] mask = widen(layerMasks.get(module.slot()).toFloats());
            assertThat(mask).containsOnly(0, (float) (1 / 0.7));
            drawn.put(row + "/model.layers." + layer + "." + module.path(), mask);
          }
        }
      }
    }
    return naive -> drawn.forEach(naive::mask);
  }

  private static DecoderConfig config(boolean tied) {
    return new DecoderConfig(
        "llama",
        12,
        20,
        2,
        6,
        2,
        4,
        23,
        64,
        1e-5,
        10_000,
        new RopeScaling.Llama3(8, 1, 4, 32),
        tied,
        new DecoderConfig.Biases(true, true, true));
  }
}
