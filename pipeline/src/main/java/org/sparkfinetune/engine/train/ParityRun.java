package org.sparkfinetune.engine.train;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.data.tokenize.PackedRows;
import org.sparkfinetune.data.tokenize.PackedRowsFile;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.tensor.Torch.Determinism;
import org.sparkfinetune.engine.train.Trainer.TrainingEvents;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.store.Store;

/**
 * A training run whose numbers can be laid beside another program's: the same machinery, with ranks
 * as threads of this process, rows in the order of their file and no dropout, which no two programs
 * draw alike.
 */
public final class ParityRun {
  private final TrainConfig config;
  private final AdapterConfig lora;
  private final Store store;
  private final int threads;
  private final ComputeDevice device;

  /**
   * @param config as for training, but {@code dataset_path} is the packed rows: a safetensors file
   *     ({@code input_ids}, {@code labels}, {@code position_ids}, {@code segment_ids}), or a folder
   *     with {@code train-*.parquet}
   * @param threads for operators, of all ranks together
   */
  public ParityRun(TrainConfig config, Store store, int threads) {
    this(config, store, threads, device(config));
  }

  /** As the other, on a device of the caller's choice. */
  ParityRun(TrainConfig config, Store store, int threads, ComputeDevice device) {
    this.config = config;
    this.lora = AdapterConfig.of(config, store).withDropout(0);
    this.store = store;
    this.threads = threads;
    this.device = device;
  }

  /** All ranks share a device: there is no cluster that could give them more. */
  private static ComputeDevice device(TrainConfig config) {
    return switch (config.compute().device()) {
      case AUTO, CPU -> new ComputeDevice.Cpu();
      case CUDA -> new ComputeDevice.Cuda(0);
    };
  }

  /**
   * Trains, and writes {@code losses.json} and what was trained into the configuration's {@code
   * output_dir}.
   *
   * @return every step's numbers
   */
  public List<TrainingEvents.Step> run() {
    int ranks = config.parallelism().numRanks().orElse(1);
    List<ProcessGroup> group = InProcessGroup.group(ranks, ExchangeSettings.defaults());
    ExecutorService pool = Executors.newFixedThreadPool(ranks);
    try (ThreadBuffers scratch = ThreadBuffers.create();
        Torch torch =
            Torch.start(Math.max(1, threads / ranks), device, Determinism.of(config.compute()));
        BaseModel base = BaseModel.open(config.model().folder(), store);
        PackedRows rows = rows(scratch)) {
      List<CompletableFuture<List<TrainingEvents.Step>>> results = new ArrayList<>();
      for (ProcessGroup exchange : group) {
        results.add(CompletableFuture.supplyAsync(() -> rank(torch, exchange, base, rows), pool));
      }
      List<TrainingEvents.Step> steps = join(results, group);
      store.replace(new Path(config.outputDir(), "losses.json"), json(steps));
      return steps;
    } finally {
      group.forEach(ProcessGroup::close);
      pool.shutdownNow();
    }
  }

  private static byte[] json(List<TrainingEvents.Step> steps) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    ArrayNode list = json.putArray("steps");
    for (TrainingEvents.Step step : steps) {
      ObjectNode line = list.addObject();
      line.put("step", step.step())
          .put("loss", step.loss())
          .put("grad_norm", step.gradNorm())
          .put("learning_rate", step.learningRate())
          .put("trained_tokens", step.trainedTokens());
      step.ofPairs().forEach(line::put);
    }
    return (json.toPrettyString() + "\n").getBytes(StandardCharsets.UTF_8);
  }

  /**
   * The first rank that fails is the cause; the others are waiting for it. They compute with what
   * the caller frees, so that all have ended in any case.
   */
  private static List<TrainingEvents.Step> join(
      List<CompletableFuture<List<TrainingEvents.Step>>> results, List<ProcessGroup> group) {
    try {
      CompletableFuture<?>[] all = results.toArray(CompletableFuture[]::new);
      CompletableFuture<Void> failed = new CompletableFuture<>();
      results.forEach(
          result ->
              result.whenComplete(
                  (steps, error) -> {
                    if (error != null) {
                      failed.completeExceptionally(error);
                    }
                  }));
      CompletableFuture.anyOf(CompletableFuture.allOf(all), failed).join();
      return results.get(0).join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new RunFailure("A rank failed: " + e.getCause(), e);
    } finally {
      group.forEach(ProcessGroup::close);
      results.forEach(result -> result.handle((steps, error) -> 0).join());
    }
  }

  private PackedRows rows(ThreadBuffers scratch) {
    Path path = new Path(config.data().datasetPath());
    PackedRows rows =
        path.getName().endsWith(".safetensors")
            ? RowsInMemory.read(path, store)
            : PackedRowsFile.copyOf(path, "train", store, scratch.folder());
    if (rows.size() == 0) {
      throw new UserError("dataset_path is " + path + ", which holds no packed rows.");
    }
    return rows;
  }

  private List<TrainingEvents.Step> rank(
      Torch torch, ProcessGroup exchange, BaseModel base, PackedRows rows) {
    try (ThreadBuffers own = ThreadBuffers.create();
        TrainableSource trainable = TrainableSource.of(config, lora, base, new Ops(torch), store);
        RankModel model =
            RankModel.load(
                ModelRecipe.of(config, lora, base, device, 0),
                torch,
                exchange,
                base.weights(),
                trainable,
                own.folder(),
                Optional.empty())) {
      StepSchedule schedule =
          new StepSchedule(
              rows.size(),
              StepSchedule.rowsPerStep(exchange.worldSize(), config.loop()),
              config.loop(),
              config.seed(),
              StepSchedule.Order.AS_STORED);
      Log log = new Log(new ArrayList<>());
      new Trainer(
              model,
              schedule,
              config.optimization(),
              config.reporting(),
              rows,
              new Evaluation.TestRows(new RowsInMemory(List.of()), List.of()),
              log,
              Optional.empty(),
              new BestEvaluation(config.best()),
              new PhaseClock(),
              config.data().isPreference()
                  ? Optional.of(
                      new Trainer.Pairs(
                          config.preference(), ReferencePolicy.Kept.NOWHERE, done -> {}))
                  : Optional.empty())
          .run(0, step -> Trainer.Next.STEP);
      if (exchange.rank() == 0) {
        new AdapterSaver(model, store, schedule.totalSteps()).result(config, lora);
      }
      exchange.sum("saved", schedule.totalSteps(), new double[] {0});
      return log.steps();
    }
  }

  private record Log(List<Step> steps) implements TrainingEvents {
    @Override
    public void step(Step step) {
      steps.add(step);
    }

    @Override
    public void evaluated(Evaluated evaluated) {}
  }

  /** A local folder that is gone afterwards. */
  private record ThreadBuffers(java.nio.file.Path folder) implements AutoCloseable {
    static ThreadBuffers create() {
      try {
        return new ThreadBuffers(Files.createTempDirectory("parity"));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public void close() {
      try (var files = Files.list(folder)) {
        for (java.nio.file.Path file : files.toList()) {
          Files.delete(file);
        }
        Files.delete(folder);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
