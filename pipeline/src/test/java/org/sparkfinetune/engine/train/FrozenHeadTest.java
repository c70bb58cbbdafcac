package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.config.Parallelism.ShardingStrategy;
import org.sparkfinetune.config.TrainConfig.Regularization;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.AdamMoments;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.HeadOps;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.engine.train.ModelRecipe.Sharding;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.testing.TestLora;

class FrozenHeadTest {
  private static final int TOKENS = 37;
  @TempDir Path scratch;

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void in_chunks_from_all_ranks_loss_and_gradient_are_those_of_the_whole_head(int ranks)
      throws Exception {
    List<ProcessGroup> group = InProcessGroup.group(ranks, ExchangeSettings.defaults());
    ExecutorService threads = Executors.newFixedThreadPool(ranks);
    try (Torch torch = Torch.start(1)) {
      List<CompletableFuture<Void>> all = new ArrayList<>();
      for (ProcessGroup exchange : group) {
        all.add(CompletableFuture.runAsync(() -> compare(torch, exchange), threads));
      }
      all.forEach(CompletableFuture::join);
    } finally {
      group.forEach(ProcessGroup::close);
      threads.shutdownNow();
    }
  }

  private void compare(Torch torch, ProcessGroup exchange) {
    try (Checkpoint base = GoldenRun.open("model/model.safetensors")) {
      DecoderConfig config = GoldenRun.config();
      ModelGroups.Method method =
          new ModelGroups.Method.Lora(
              TestLora.targets(config, 8, 2, List.of("all-linear")),
              List.of(),
              ModelGroups.Base.PLAIN);
      ModelRecipe recipe =
          new ModelRecipe(
              config,
              method,
              0,
              7,
              1,
              Precision.FLOAT32,
              PlainType.BFLOAT16,
              TokenBatch.Attention.WITHIN_SAMPLES,
              LayerKeep.NOTHING,
              ModelRecipe.Inputs.IN_MEMORY,
              OptionalLong.empty(),
              new Sharding(ShardingStrategy.FULL_SHARD, Sharding.Prefetch.NEXT_LAYER),
              0,
              Regularization.NONE,
              AdamMoments.Type.FLOAT32,
              0);
      CheckpointWeights source = new CheckpointWeights(base);
      Path own = scratch.resolve(exchange.rank() + "-of-" + exchange.worldSize());
      assertThat(own.toFile().mkdirs()).isTrue();
      try (RankModel model =
          RankModel.load(
              recipe,
              torch,
              exchange,
              source,
              (name, first, out, count) -> {},
              own,
              Optional.empty())) {
        for (double smoothing : new double[] {0, 0.2}) {
          for (double cap : new double[] {0, 5}) {
            HeadOps.LossOptions options =
                new HeadOps.LossOptions(cap, smoothing, config.vocabSize());
            compare(model, config, options, false);
            compare(model, config, options, true);
          }
        }
        exchange.sum("end", 0, new double[1]);
      }
    }
  }

  private static void compare(
      RankModel model, DecoderConfig config, HeadOps.LossOptions options, boolean byToken) {
    Ops ops = model.ops();
    Random random = new Random(3);
    float[] x = new float[TOKENS * config.hiddenSize()];
    int[] targets = new int[TOKENS];
    float[] ofTokens = new float[TOKENS];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian() * 3;
    }
    for (int i = 0; i < TOKENS; i++) {
      targets[i] = random.nextInt(config.vocabSize());
      ofTokens[i] = (float) random.nextGaussian();
    }
    try (Scope scope = ops.torch().scope()) {
      HeadOps.LossWeights weights =
          byToken ? ops.head().weights(scope, ofTokens) : ops.head().sameWeights(scope, 0.25);
      Tensor normed = ops.ofFloats(scope, x, TOKENS, config.hiddenSize());
      FrozenHead head =
          new FrozenHead(
              ops,
              Precision.FLOAT32,
              model.weights(),
              ModelGroups.HEAD,
              DecoderWeights.lmHead(config),
              options,
              7,
              7L * config.hiddenSize() * Float.BYTES);
      HeadOps.Loss chunked =
          head.losses(
                  scope,
                  List.of(new HeadOfModel.Part(normed, targets)),
                  (part, losses) -> weights,
                  HeadOps.Gradients.INPUT,
                  Optional.empty())
              .get(0);
      Tensor whole =
          model.weights().whole(scope, ModelGroups.HEAD, 0).tensor(DecoderWeights.LM_HEAD);
      HeadOps.Loss expected =
          ops.head()
              .loss(
                  scope,
                  normed,
                  whole,
                  ops.ofInts(scope, targets),
                  weights,
                  10,
                  options,
                  HeadOps.Gradients.INPUT);
      assertThat(chunked.sum()).isCloseTo(expected.sum(), within(1e-5 * expected.sum()));
      assertClose(chunked.inputGradient(), expected.inputGradient());
      assertClose(chunked.losses(), expected.losses());
      Tensor ids = ops.ofInts(scope, new int[] {3, 200, 201});
      Tensor rows = ops.selectRows(scope, whole, ids);
      HeadOps.Loss ofRows =
          head.losses(
                  scope,
                  List.of(new HeadOfModel.Part(normed, targets)),
                  (part, losses) -> weights,
                  HeadOps.Gradients.INPUT_AND_WEIGHT,
                  Optional.of(new Weights.TokenRows(List.of(3, 200, 201), rows)))
              .get(0);
      HeadOps.Loss ofWhole =
          ops.head()
              .loss(
                  scope,
                  normed,
                  whole,
                  ops.ofInts(scope, targets),
                  weights,
                  10,
                  options,
                  HeadOps.Gradients.INPUT_AND_WEIGHT);
      assertClose(ofRows.weightGradient(), ops.selectRows(scope, ofWhole.weightGradient(), ids));
    }
  }

  private static void assertClose(Tensor ours, Tensor wanted) {
    float[] a = ours.toFloats();
    float[] b = wanted.toFloats();
    assertThat(a).hasSameSizeAs(b);
    for (int i = 0; i < a.length; i++) {
      assertThat(a[i]).isCloseTo(b[i], within(2e-6f + 1e-5f * Math.abs(b[i])));
    }
  }
}
