package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderFamily;
import org.sparkfinetune.model.family.Experts;
import org.sparkfinetune.model.family.LayerAttention;
import org.sparkfinetune.model.family.LayerAttention.QueryGrowth;
import org.sparkfinetune.model.family.LayerAttention.Rope;
import org.sparkfinetune.model.family.ModuleNames;
import org.sparkfinetune.model.family.RopeScaling;
import org.sparkfinetune.testing.TestLora;

/** Loss and gradients of models of any shape are those of {@link NaiveDecoder}. */
class NaiveModelParityTest {
  private static final int MODELS = Integer.getInteger("naive.models", 200);

  @TempDir Path scratch;

  @Test
  void any_configuration_has_the_naive_models_loss_and_slope() {
    try (Torch torch = Torch.start(1)) {
      for (int seed = 0; seed < MODELS; seed++) {
        compare(torch, seed);
      }
    }
  }

  private void compare(Torch torch, int seed) {
    Random random = new Random(seed);
    DecoderConfig dense = config(random);
    DecoderConfig config = seed % 4 == 0 ? mixture(dense, random) : dense;
    double scale = 0.5 + random.nextDouble();
    SmallModel model = SmallModel.draw(config, method(config, scale, random), scale, 0, random);
    List<PackedRow> rows =
        IntStream.range(0, 1 + random.nextInt(3))
            .mapToObj(i -> SmallModel.row(3 + random.nextInt(14), config.vocabSize(), random))
            .toList();
    SmallModel.Numbers ours = model.ours(torch, rows, scratch);
    String what = "seed " + seed + ", " + model.method() + ", " + config;
    double loss = model.naiveLoss(rows, Map.of(), 0, naive -> {});
    assertThat(ours.loss()).as(what).isCloseTo(loss, within(1e-5 * loss));
    Map<String, double[]> direction = new LinkedHashMap<>();
    double slope = 0;
    double size = 0;
    for (Map.Entry<String, float[]> entry : ours.gradients().entrySet()) {
      double[] along = random.doubles(entry.getValue().length, -1, 1).toArray();
      direction.put(entry.getKey(), along);
      slope += SmallModel.dot(entry.getValue(), along);
      size += IntStream.range(0, along.length).mapToDouble(i -> along[i] * along[i]).sum();
    }
    assertThat(slope)
        .as(what)
        .isCloseTo(
            model.naiveSlope(rows, direction, naive -> {}),
            // Below 0.01 the rounding of a float32 loss shows.
            within(1e-5 * Math.max(0.01, ours.gradNorm()) * Math.sqrt(size)));
  }

  private static DecoderConfig config(Random random) {
    int groups = 1 + random.nextInt(4);
    int headDim = 2 * (1 + random.nextInt(8));
    List<LayerAttention> layers = new ArrayList<>();
    for (int layer = 0; layer < 1 + random.nextInt(3); layer++) {
      layers.add(attention(random, headDim));
    }
    return new DecoderConfig(
        "any",
        2 + random.nextInt(40),
        1 + random.nextInt(50),
        groups * (1 + random.nextInt(4)),
        groups,
        headDim,
        5 + random.nextInt(60),
        OptionalInt.empty(),
        128,
        1e-5,
        random.nextBoolean(),
        new DecoderConfig.Biases(random.nextBoolean(), random.nextBoolean(), random.nextBoolean()),
        random.nextBoolean() ? DecoderFamily.LLAMA : family(random),
        layers,
        ModuleNames.DECODER,
        Experts.NONE);
  }

  /** The same with experts in about half of the layers. */
  private static DecoderConfig mixture(DecoderConfig dense, Random random) {
    int count = 1 + random.nextInt(7);
    Set<Integer> layers =
        IntStream.range(0, dense.numHiddenLayers())
            .filter(layer -> layer == 0 || random.nextBoolean())
            .boxed()
            .collect(Collectors.toSet());
    DecoderFamily family =
        new DecoderFamily(
            dense.family().qkNorm(),
            DecoderFamily.Norms.BEFORE,
            dense.family().normWeight(),
            dense.family().activation(),
            DecoderFamily.Linears.SPLIT,
            dense.family().rotation(),
            dense.family().scales(),
            dense.family().softCaps());
    return new DecoderConfig(
        dense.modelType(),
        dense.hiddenSize(),
        dense.intermediateSize(),
        dense.numAttentionHeads(),
        dense.numKeyValueHeads(),
        dense.headDim(),
        dense.vocabSize(),
        dense.padding(),
        dense.maxPositionEmbeddings(),
        dense.rmsNormEps(),
        dense.tieWordEmbeddings(),
        dense.biases(),
        family,
        dense.layers(),
        dense.names(),
        new Experts(
            count,
            1 + random.nextInt(count),
            1 + random.nextInt(20),
            any(Experts.Weighting.values(), random),
            layers));
  }

  /** Switches in any combination, whether a family has it or not. */
  private static DecoderFamily family(Random random) {
    return new DecoderFamily(
        any(DecoderFamily.QkNorm.values(), random),
        any(DecoderFamily.Norms.values(), random),
        any(DecoderFamily.NormWeight.values(), random),
        any(DecoderFamily.Activation.values(), random),
        any(DecoderFamily.Linears.values(), random),
        any(DecoderFamily.Rotation.values(), random),
        random.nextBoolean()
            ? DecoderFamily.Scales.NONE
            : new DecoderFamily.Scales(
                0.5 + random.nextDouble(),
                0.5 + random.nextDouble(),
                0.5 + random.nextDouble(),
                0.5 + random.nextDouble()),
        random.nextBoolean()
            ? DecoderFamily.SoftCaps.NONE
            : new DecoderFamily.SoftCaps(3 + random.nextDouble(), 3 + random.nextDouble()));
  }

  private static <T> T any(T[] values, Random random) {
    return values[random.nextInt(values.length)];
  }

  private static LayerAttention attention(Random random, int headDim) {
    int turning = random.nextBoolean() ? headDim : 2 * (1 + random.nextInt(headDim / 2));
    QueryGrowth growth =
        turning == headDim && random.nextBoolean()
            ? new QueryGrowth(random.nextDouble(), 1 + random.nextInt(6))
            : QueryGrowth.NONE;
    Rope rope =
        new Rope(Math.pow(10, 2 + random.nextInt(5)), turning, scaling(random, turning), growth);
    return new LayerAttention(
        random.nextBoolean() ? 0 : 1 + random.nextInt(8),
        random.nextInt(4) == 0 ? Optional.empty() : Optional.of(rope));
  }

  private static RopeScaling scaling(Random random, int turning) {
    return switch (random.nextInt(4)) {
      case 0 -> new RopeScaling.Linear(1 + random.nextInt(8));
      case 1 -> new RopeScaling.Llama3(8, 1, 4, 8 + random.nextInt(100));
      case 2 -> longRope(random, turning / 2);
      default -> new RopeScaling.None();
    };
  }

  private static RopeScaling longRope(Random random, int pairs) {
    return new RopeScaling.LongRope(
        random.doubles(pairs, 1, 2).boxed().toList(),
        random.doubles(pairs, 1, 9).boxed().toList(),
        3 + random.nextInt(5),
        1 + random.nextDouble());
  }

  private static ModelGroups.Method method(DecoderConfig config, double scale, Random random) {
    List<List<String>> targets =
        List.of(
            List.of("all-linear"),
            List.of("o_proj", "mlp.down_proj"),
            List.of("model\\.layers\\.0\\..*(k|o|up|qkv)_proj"));
    List<List<String>> saved =
        List.of(List.of(), List.of("embed_tokens"), List.of("lm_head", "embed_tokens"));
    if (config.experts().exist()) {
      return new ModelGroups.Method.Lora(
          TestLora.targets(config, 1 + random.nextInt(5), scale, targets.get(0)),
          saved.get(random.nextInt(3)),
          ModelGroups.Base.PLAIN);
    }
    return random.nextBoolean()
        ? new ModelGroups.Method.Full()
        : new ModelGroups.Method.Lora(
            TestLora.targets(config, 1 + random.nextInt(5), scale, targets.get(random.nextInt(3))),
            saved.get(random.nextInt(3)),
            ModelGroups.Base.PLAIN);
  }
}
