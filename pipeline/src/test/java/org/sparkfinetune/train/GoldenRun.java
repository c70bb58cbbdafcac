package org.sparkfinetune.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.hadoop.conf.Configuration;
import org.sparkfinetune.exchange.Exchange;
import org.sparkfinetune.exchange.ExchangeSettings;
import org.sparkfinetune.exchange.InProcessExchange;
import org.sparkfinetune.fsdp.PlainType;
import org.sparkfinetune.fsdp.TrainableGroup;
import org.sparkfinetune.fsdp.WeightSource;
import org.sparkfinetune.llama.LlamaConfig;
import org.sparkfinetune.llama.LlamaConfigReader;
import org.sparkfinetune.peft.LoraTargets;
import org.sparkfinetune.safetensors.Checkpoint;
import org.sparkfinetune.tensor.AdamWStep;
import org.sparkfinetune.tensor.NamedShape;
import org.sparkfinetune.tensor.Scope;
import org.sparkfinetune.tensor.Torch;
import org.sparkfinetune.tokenize.PackedRow;

/** Trains the golden model on the golden rows with ranks as threads. */
final class GoldenRun {
  static final Path GOLDEN = Path.of("src/test/resources/golden").toAbsolutePath();
  private static final String PREFIX = "base_model.model.";

  /** One optimizer step's numbers. */
  record Step(double loss, double gradNorm) {}

  enum What {
    LORA,
    QLORA,
    FULL
  }

  private final What what;
  private final Precision precision;
  private final double dropout;
  private final Path scratch;

  GoldenRun(What what, Precision precision, double dropout, Path scratch) {
    this.what = what;
    this.precision = precision;
    this.dropout = dropout;
    this.scratch = scratch;
  }

  static LlamaConfig config() throws IOException {
    Path file = GOLDEN.resolve("model/config.json");
    return LlamaConfigReader.read(Files.readString(file), file.toString());
  }

  static JsonNode json(String name) throws IOException {
    return new ObjectMapper().readTree(GOLDEN.resolve(name).toFile());
  }

  static List<PackedRow> rows() {
    try (Checkpoint file = open("rows.safetensors")) {
      List<PackedRow> rows = new ArrayList<>();
      for (int row = 0; row < 8; row++) {
        rows.add(
            new PackedRow(
                longs(file, "input_ids", row),
                longs(file, "labels", row),
                longs(file, "position_ids", row),
                longs(file, "segment_ids", row)));
      }
      return rows;
    }
  }

  private static int[] longs(Checkpoint file, String name, int row) {
    ByteBuffer bytes = ByteBuffer.allocate(80 * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    file.read(name, (long) row * 80 * Long.BYTES, bytes);
    int[] values = new int[80];
    for (int i = 0; i < 80; i++) {
      values[i] = (int) bytes.getLong(i * Long.BYTES);
    }
    return values;
  }

  static Checkpoint open(String file) {
    return Checkpoint.openFile(
        new org.apache.hadoop.fs.Path(GOLDEN.resolve(file).toUri()), new Configuration());
  }

  /** Steps of all ranks (they have to agree) and the final trainable weights. */
  record Result(List<Step> steps, java.util.Map<String, float[]> weights) {}

  Result run(
      int ranks, int steps, java.util.function.LongToDoubleFunction rate, double clip, double decay)
      throws Exception {
    List<Exchange> group = InProcessExchange.group(ranks, ExchangeSettings.defaults());
    ExecutorService threads = Executors.newFixedThreadPool(ranks);
    try (Torch torch = Torch.start(1)) {
      List<CompletableFuture<Result>> results = new ArrayList<>();
      for (Exchange exchange : group) {
        results.add(
            CompletableFuture.supplyAsync(
                () -> rank(torch, exchange, steps, rate, clip, decay), threads));
      }
      Result first = results.get(0).join();
      for (CompletableFuture<Result> other : results) {
        if (!other.join().steps().equals(first.steps())) {
          throw new AssertionError("ranks disagree about loss or norm");
        }
      }
      return first;
    } finally {
      group.forEach(Exchange::close);
      threads.shutdownNow();
    }
  }

  private Result rank(
      Torch torch,
      Exchange exchange,
      int steps,
      java.util.function.LongToDoubleFunction rate,
      double clip,
      double decay) {
    try (Checkpoint base = open("model/model.safetensors");
        Checkpoint start = open("adapter-start.safetensors")) {
      LlamaConfig config = config();
      ModelGroups.Method method =
          what == What.FULL
              ? new ModelGroups.Method.Full()
              : new ModelGroups.Method.Lora(
                  new LoraTargets(config, 8, List.of("all-linear")),
                  List.of(),
                  what == What.QLORA ? ModelGroups.Base.NF4 : ModelGroups.Base.PLAIN);
      ModelRecipe recipe =
          new ModelRecipe(
              config,
              method,
              2.0,
              dropout,
              7,
              precision,
              PlainType.BFLOAT16,
              TokenBatch.Attention.WITHIN_SAMPLES);
      WeightSource model = new CheckpointWeights(base, List.of(), java.util.Map.of());
      CheckpointWeights adapter = new CheckpointWeights(start, List.of(), java.util.Map.of());
      WeightSource trainable =
          what == What.FULL
              ? model
              : (name, first, out, count) -> adapter.read(PREFIX + name, first, out, count);
      Path shard = scratch.resolve(what + "-" + exchange.rank() + "-of-" + exchange.worldSize());
      try (RankModel rankModel =
          RankModel.load(recipe, torch, exchange, model, trainable, shard, (name, bytes) -> {})) {
        return train(rankModel, config, exchange, steps, rate, clip, decay);
      }
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private Result train(
      RankModel model,
      LlamaConfig config,
      Exchange exchange,
      int steps,
      java.util.function.LongToDoubleFunction rate,
      double clip,
      double decay) {
    TrainingStep step =
        new TrainingStep(
            model.ops(),
            config,
            precision,
            exchange,
            model.weights(),
            model.layers(),
            new PhaseClock());
    model.weights().trainable().forEach(group -> group.publish(0));
    List<PackedRow> rows = rows();
    List<Step> log = new ArrayList<>();
    for (int s = 1; s <= steps; s++) {
      List<StepRow> own = new ArrayList<>();
      for (int k = 4 * exchange.rank() / exchange.worldSize();
          k < 4 * (exchange.rank() + 1) / exchange.worldSize();
          k++) {
        own.add(new StepRow(rows.get((4 * (s - 1) + k) % 8), k));
      }
      TrainingStep.Outcome outcome =
          step.run(s, TokenBatch.of(own, 170, TokenBatch.Attention.WITHIN_SAMPLES));
      log.add(new Step(outcome.loss(), outcome.gradNorm()));
      AdamWStep numbers =
          new AdamWStep(
              Math.min(1, clip / (outcome.gradNorm() + 1e-6)),
              rate.applyAsDouble(s),
              decay,
              0.9,
              0.999,
              1e-8,
              s);
      long version = s;
      try (Scope scope = model.ops().torch().scope()) {
        model.weights().trainable().forEach(group -> group.update(scope, numbers));
      }
      model.weights().trainable().forEach(group -> group.publish(version));
    }
    java.util.Map<String, float[]> weights = new java.util.TreeMap<>();
    try (Scope scope = model.ops().torch().scope()) {
      for (TrainableGroup group : model.weights().trainable()) {
        var flat = group.unshard(scope, steps);
        for (var place : group.layout().places()) {
          NamedShape tensor = place.tensor();
          weights.put(
              tensor.name(),
              model.ops().view(scope, flat, place.at(), tensor.elements()).toFloats());
        }
      }
    }
    exchange.sum("end", 0, new double[] {0});
    return new Result(log, weights);
  }
}
