package org.sparkfinetune.engine.train;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.Parallelism.ShardingStrategy;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Regularization;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.AdamMoments;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.tensor.Ops.AdamWStep;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.engine.train.ModelRecipe.Sharding;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.RopeScaling;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.AdapterFiles;
import org.sparkfinetune.model.peft.LoraTargets.AdapterNames;
import org.sparkfinetune.store.Heartbeat;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.TestLora;

/**
 * Trains the embedding of Qwen2.5-7B, 152,064 x 3,584 float32, in a model of one narrow layer, and
 * saves it: a process of its own, whose heap is less than a third of that tensor.
 */
final class EmbeddingOf7b {
  private static final Logger LOG = LoggerFactory.getLogger(EmbeddingOf7b.class);
  private static final int VOCABULARY = 152_064;
  private static final int HIDDEN = 3584;
  private static final DecoderConfig CONFIG =
      new DecoderConfig(
          "qwen2",
          HIDDEN,
          256,
          1,
          28,
          4,
          128,
          VOCABULARY,
          4096,
          1e-6,
          1e6,
          new RopeScaling.None(),
          true,
          new DecoderConfig.Biases(false, false, false));

  private EmbeddingOf7b() {}

  public static void main(String[] arguments) throws Exception {
    long begin = System.nanoTime();
    TrainConfig config = config(arguments[0]);
    Store store = new Store(new Configuration());
    Path scratch = Path.of(java.net.URI.create(arguments[0]));
    ModelGroups.Method method =
        new ModelGroups.Method.Lora(
            TestLora.targets(CONFIG, config.lora().r(), 2, List.of("all-linear")),
            List.of(ModelGroups.EMBED),
            ModelGroups.Base.PLAIN);
    RankMemory memory = new RankMemory();
    try (Heartbeat unused = memory.watch(new PhaseClock()::current);
        Torch torch = Torch.start(2);
        ProcessGroup exchange = InProcessGroup.alone();
        RankModel model =
            RankModel.load(
                recipe(method), torch, exchange, drawn(), drawn(), scratch, Optional.empty())) {
      model.weights().trainable().forEach(group -> group.publish(0));
      TrainingStep.Outcome outcome = GoldenRun.trainingStep(model).run(1, batches());
      AdamWStep step = new AdamWStep(1, 1e-3, 0, 0.9, 0.999, 1e-8, 1);
      try (Scope scope = torch.scope()) {
        model.weights().trainable().forEach(group -> group.update(scope, step, 1));
      }
      model.weights().trainable().forEach(group -> group.publish(1));
      new AdapterSaver(model, store, 1).result(config, AdapterConfig.of(config.lora()));
      LOG.info("loss {}", outcome.loss());
    }
    check(new org.apache.hadoop.fs.Path(config.outputDir(), "adapter"), store);
    LOG.info(
        "{} s, anonymous memory at most {} MB",
        Math.round((System.nanoTime() - begin) * 1e-9),
        Math.round(memory.peakAnonymousBytes() * 1e-6));
    System.exit(0);
  }

  private static TrainConfig config(String folder) {
    List<String> words =
        List.of(
            "--model_id",
            "m",
            "--dataset_path",
            "d",
            "--modules_to_save",
            "embed_tokens",
            "--output_dir",
            folder + "run");
    return new ConfigLoader(new Configuration()).train(Optional.empty(), words).config();
  }

  private static ModelRecipe recipe(ModelGroups.Method method) {
    return new ModelRecipe(
        CONFIG,
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
  }

  private static WeightSource drawn() {
    return (name, first, out, count) -> {
      for (int i = 0; i < count; i++) {
        out[i] = value(name, first + i);
      }
    };
  }

  private static float value(String name, long element) {
    if (name.contains("norm")) {
      return 1;
    }
    long hash = (name.hashCode() + element) * 0x9E3779B97F4A7C15L;
    return (hash >>> 40) * 0x1p-28f - 0x1p-5f;
  }

  /** With the vocabulary's first token and its last, which lies behind byte 2^31. */
  private static List<TokenBatch> batches() {
    int[] ids = new Random(1).ints(64, 1, 1000).toArray();
    ids[3] = 0;
    ids[4] = VOCABULARY - 1;
    int[] positions = IntStream.range(0, ids.length).toArray();
    PackedRow row = new PackedRow(ids, ids, positions, new int[ids.length]);
    return TokenBatch.of(List.of(new StepRow(row, 0)), 512, TokenBatch.Attention.WITHIN_SAMPLES);
  }

  /** Rows of tokens that were there have moved, by the learning rate at most; others have not. */
  private static void check(org.apache.hadoop.fs.Path adapter, Store store) {
    try (AdapterFiles saved = AdapterFiles.open(adapter, store)) {
      for (int token : new int[] {0, 80_000, VOCABULARY - 2, VOCABULARY - 1}) {
        float[] row = new float[HIDDEN];
        long first = (long) token * HIDDEN;
        saved.read(AdapterNames.saved(DecoderWeights.EMBED_TOKENS), first, row, HIDDEN);
        double moved = 0;
        for (int i = 0; i < HIDDEN; i++) {
          moved = Math.max(moved, Math.abs(row[i] - value(DecoderWeights.EMBED_TOKENS, first + i)));
        }
        boolean trained = token == 0 || token == VOCABULARY - 1;
        if (trained ? moved < 1e-4 || moved > 1.1e-3 : moved != 0) {
          throw new AssertionError("The row of token " + token + " moved by " + moved);
        }
      }
    }
  }
}
