package org.sparkfinetune.plan;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.GradientCheckpointing;
import org.sparkfinetune.config.TrainConfig.IntervalStrategy;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.engine.fsdp.AdamMoments;
import org.sparkfinetune.engine.train.ActivationBudget;
import org.sparkfinetune.engine.train.BufferSizes;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.ExpertSettings;
import org.sparkfinetune.model.peft.LoraTargets;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * What decides memory and time of a run.
 *
 * @param ranks devices
 * @param offload where frozen shards are
 */
record Workload(
    DecoderConfig model,
    TrainConfig config,
    Method method,
    int ranks,
    Rows rows,
    Widths widths,
    Kept kept,
    Offload offload) {

  /** NF4, its absmax in 8 bits, and a float32 for 256 of those. */
  static final double NF4_BYTES = 0.5 + 1 / 64.0 + 4 / (64.0 * 256);

  /**
   * Of one rank in one step.
   *
   * @param length tokens of a packed row
   * @param perBatch as configured; what goes through a layer together is {@link #batchTokens}
   */
  record Rows(int length, int perBatch, int batches) {}

  /**
   * Bytes of a number.
   *
   * @param compute inside a layer
   * @param stored between layers
   * @param plain of a frozen one outside NF4
   */
  record Widths(int compute, int stored, int plain) {}

  /** Between a layer's forward and its backward. */
  record Kept(GradientCheckpointing checkpointing, Inputs inputs) {}

  /** Where layers' inputs wait for the backward. */
  enum Inputs {
    IN_MEMORY,
    IN_A_FILE
  }

  /** Where frozen shards are kept. */
  enum Offload {
    ON_DEVICE,
    ON_HOST
  }

  static Workload of(TrainConfig config, DecoderConfig model, Device device, int ranks) {
    ExpertSettings.check(config, model);
    boolean cpu = device.kind() == Device.Kind.CPU;
    boolean bf16 = config.compute().bf16();
    int compute = bf16 && device.bfloat16() == Device.Bfloat16.COMPUTED ? 2 : 4;
    return new Workload(
        model,
        config,
        config.method(),
        ranks,
        new Rows(
            config.data().rowLength(),
            config.loop().perDeviceTrainBatchSize(),
            config.loop().gradientAccumulationSteps()),
        new Widths(compute, bf16 ? 2 : 4, 2),
        new Kept(
            config.compute().gradientCheckpointing(),
            config.parallelism().activationOffload() ? Inputs.IN_A_FILE : Inputs.IN_MEMORY),
        cpu || config.parallelism().offload() ? Offload.ON_HOST : Offload.ON_DEVICE);
  }

  Workload withMethod(Method other) {
    return new Workload(model, config, other, ranks, rows, widths, kept, offload);
  }

  Workload withRows(Rows other) {
    return new Workload(model, config, method, ranks, other, widths, kept, offload);
  }

  Workload withRanks(int other) {
    return new Workload(model, config, method, other, rows, widths, kept, offload);
  }

  Workload withKept(Kept other) {
    return new Workload(model, config, method, ranks, rows, widths, other, offload);
  }

  Workload withOffload() {
    return new Workload(model, config, method, ranks, rows, widths, kept, Offload.ON_HOST);
  }

  /** That go through a layer together: rows of a step as they fit, at least one. */
  long batchTokens(Device device) {
    int usual = BufferSizes.batchTokens(model, device.sizes());
    int most = budget(device).batchTokens(usual, device.sizes());
    long row = BufferSizes.padded(rows.length());
    return Math.min(stepTokens(), Math.max(1, most / row) * row);
  }

  /** That an evaluation takes through the layers together, if the test split is as long. */
  long evaluatedTokens(Device device) {
    long row = BufferSizes.padded(rows.length());
    long most = BufferSizes.batchTokens(model, device.sizes());
    return BufferSizes.EVALUATED_BATCHES * Math.max(1, most / row) * row;
  }

  boolean evaluates() {
    return config.reporting().evaluates();
  }

  boolean saves() {
    return config.checkpointing().saveStrategy() != IntervalStrategy.NO;
  }

  /** Of one rank in one step. */
  long stepTokens() {
    return (long) BufferSizes.padded(rows.length()) * rows.perBatch() * rows.batches();
  }

  /** That keep what their layers keep at the same time; all of a step's, if they may. */
  long groupTokens(Device device) {
    long most = budget(device).tokens(stepTokens());
    long batch = batchTokens(device);
    return most == stepTokens() ? most : Math.max(1, most / batch) * batch;
  }

  private ActivationBudget budget(Device device) {
    int sharing = device.kind() == Device.Kind.CPU ? device.ranksOnHost(ranks) : 1;
    long budget =
        config
            .parallelism()
            .activationMemory()
            .orElseGet(() -> ActivationBudget.usual(device.memoryBytes(), sharing));
    long perToken = model.numHiddenLayers() * new LayerBuffers(this).kept();
    return new ActivationBudget(budget, perToken, Float.BYTES * trained());
  }

  /** Of batches in one rank's step, each of which needs every layer. */
  int groups(Device device) {
    return parts(stepTokens(), groupTokens(device));
  }

  int batchesOfGroup(Device device) {
    return parts(groupTokens(device), batchTokens(device));
  }

  private static int parts(long tokens, long each) {
    return Math.toIntExact((tokens + each - 1) / each);
  }

  /** Whether layers' inputs wait in a file, not in memory. */
  boolean inputsInFile() {
    return kept.inputs() == Inputs.IN_A_FILE;
  }

  /** Weights of linears that are there at a time: a layer's, but of experts a few. */
  long layerLinears() {
    return model.linearParametersOfLayer(BufferSizes.EXPERTS_TOGETHER);
  }

  long embedding() {
    return (long) model.vocabSize() * model.hiddenSize();
  }

  private boolean saves(String module) {
    return method != Method.FULL && config.lora().modulesToSave().contains(module);
  }

  boolean trainsHead() {
    return method == Method.FULL || saves("lm_head");
  }

  /**
   * Whether the head is a weight of its own: what an adapter saves parts from what it was tied to.
   */
  private boolean hasHead() {
    return !model.tieWordEmbeddings()
        || method != Method.FULL && !config.lora().modulesToSave().isEmpty();
  }

  boolean trainsEmbedding() {
    return method == Method.FULL || saves("embed_tokens");
  }

  /** Trained numbers of the layer that has most. */
  long trainedOfLayer() {
    if (method == Method.FULL) {
      return layerLinears() + model.normParametersPerLayer();
    }
    LoraTargets targets = targets();
    return IntStream.range(0, model.numHiddenLayers())
        .mapToLong(layer -> numbers(targets.weights(layer)))
        .max()
        .orElse(0);
  }

  private LoraTargets targets() {
    return AdapterConfig.targets(config, AdapterConfig.of(config.lora()), model);
  }

  private static long numbers(List<NamedShape> weights) {
    return weights.stream().mapToLong(NamedShape::elements).sum();
  }

  /** What of {@link #trained} learns: not the first values of adapters that were parts of W. */
  long learning() {
    return trained()
        - adapters().stream()
            .filter(weight -> LoraTargets.isFirst(weight.name()))
            .mapToLong(NamedShape::elements)
            .sum();
  }

  /** All numbers that are kept as trained ones are. */
  long trained() {
    return method == Method.FULL ? model.parameters() : numbers(adapters()) + trainedEmbeddings();
  }

  /** Of the optimizer's two moments of all trained numbers. */
  long momentBytes() {
    AdamMoments.Type type = AdamMoments.Type.of(config.optimization().optim());
    return trainedTensors().stream().mapToLong(type::bytes).sum();
  }

  private List<NamedShape> trainedTensors() {
    List<NamedShape> tensors = new ArrayList<>(adapters());
    if (trainsEmbedding()) {
      tensors.add(DecoderWeights.embedTokens(model));
    }
    if (hasHead() && trainsHead()) {
      tensors.add(DecoderWeights.lmHead(model));
    }
    if (method == Method.FULL) {
      for (int layer = 0; layer < model.numHiddenLayers(); layer++) {
        tensors.addAll(DecoderWeights.withoutExperts(model, layer));
      }
      tensors.add(DecoderWeights.finalNorm(model));
    }
    return tensors;
  }

  /** Of all layers, and the trained embeddings of single tokens. */
  private List<NamedShape> adapters() {
    if (method == Method.FULL) {
      return List.of();
    }
    LoraTargets targets = targets();
    List<NamedShape> weights = new ArrayList<>();
    for (int layer = 0; layer < model.numHiddenLayers(); layer++) {
      weights.addAll(targets.weights(layer));
    }
    targets.tokenRows().ifPresent(weights::add);
    return weights;
  }

  /** Trained numbers of embedding and head. */
  long trainedEmbeddings() {
    return (trainsEmbedding() ? embedding() : 0) + (hasHead() && trainsHead() ? embedding() : 0);
  }

  /** Stored bytes of one layer's frozen weights that are there at a time. */
  long frozenOfLayer() {
    return method == Method.FULL
        ? 0
        : stored(layerLinears()) + model.normParametersPerLayer() * widths.plain();
  }

  /** Bytes of frozen linears. */
  private long stored(long linears) {
    return switch (method) {
      case QLORA -> Math.round(linears * NF4_BYTES);
      case LORA -> linears * widths.plain();
      case FULL -> 0;
    };
  }

  /** Stored bytes of all frozen weights, of all ranks together. */
  long frozen() {
    if (method == Method.FULL) {
      return 0;
    }
    long heads = hasHead() && !trainsHead() ? embedding() : 0;
    long embeddings = trainsEmbedding() ? 0 : embedding();
    return stored(model.linearParameters())
        + model.numHiddenLayers() * model.normParametersPerLayer() * widths.plain()
        + (heads + embeddings + model.hiddenSize()) * widths.plain();
  }

  /**
   * Of {@link #frozen}, what computing needs whole: all but an embedding, of which rows are read.
   */
  long frozenInUse() {
    boolean rowsAlone = method != Method.FULL && !trainsEmbedding() && hasHead();
    return frozen() - (rowsAlone ? embedding() * widths.plain() : 0);
  }

  boolean dora() {
    return method != Method.FULL && config.lora().options().useDora();
  }

  /** Whether LoRA's inputs have dropout, and with that masks in memory. */
  boolean dropout() {
    return method != Method.FULL && config.dropout(config.lora().dropout()) > 0;
  }
}
