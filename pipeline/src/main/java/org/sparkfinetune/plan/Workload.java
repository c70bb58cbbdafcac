package org.sparkfinetune.plan;

import org.sparkfinetune.config.Method;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.llama.LlamaConfig;
import org.sparkfinetune.peft.LoraTargets;
import org.sparkfinetune.tensor.Processor;

/**
 * What decides memory and time of a run.
 *
 * @param ranks devices
 * @param rowLength tokens of a packed row
 * @param batchRows rows of a micro-batch
 * @param batches micro-batches of a rank in a step; the layer inputs of all are kept
 * @param computeBytes of a number inside a layer
 * @param storedBytes of a number between layers
 * @param plainBytes of a frozen number outside NF4
 * @param offload where frozen shards are
 */
record Workload(
    LlamaConfig model,
    TrainConfig config,
    Method method,
    int ranks,
    int rowLength,
    int batchRows,
    int batches,
    int computeBytes,
    int storedBytes,
    int plainBytes,
    Offload offload) {

  /** NF4, its absmax in 8 bits, and a float32 for 256 of those. */
  static final double NF4_BYTES = 0.5 + 1 / 64.0 + 4 / (64.0 * 256);

  /** Where frozen shards are kept. */
  enum Offload {
    ON_DEVICE,
    ON_HOST
  }

  static Workload of(TrainConfig config, LlamaConfig model, Device device, int ranks) {
    boolean cpu = device.kind() == Device.Kind.CPU;
    boolean bf16 = config.compute().bf16();
    int compute = bf16 && (!cpu || Processor.hasBfloat16Arithmetic()) ? 2 : 4;
    return new Workload(
        model,
        config,
        config.method(),
        ranks,
        config.data().maxSeqLength(),
        config.loop().perDeviceTrainBatchSize(),
        config.loop().gradientAccumulationSteps(),
        compute,
        bf16 ? 2 : 4,
        2,
        cpu || config.parallelism().offload() ? Offload.ON_HOST : Offload.ON_DEVICE);
  }

  Workload withMethod(Method other) {
    return new Workload(
        model,
        config,
        other,
        ranks,
        rowLength,
        batchRows,
        batches,
        computeBytes,
        storedBytes,
        plainBytes,
        offload);
  }

  Workload withRows(int length, int rowsOfBatch, int batchesOfStep) {
    return new Workload(
        model,
        config,
        method,
        ranks,
        length,
        rowsOfBatch,
        batchesOfStep,
        computeBytes,
        storedBytes,
        plainBytes,
        offload);
  }

  Workload withRanks(int other) {
    return new Workload(
        model,
        config,
        method,
        other,
        rowLength,
        batchRows,
        batches,
        computeBytes,
        storedBytes,
        plainBytes,
        offload);
  }

  Workload withOffload() {
    return new Workload(
        model,
        config,
        method,
        ranks,
        rowLength,
        batchRows,
        batches,
        computeBytes,
        storedBytes,
        plainBytes,
        Offload.ON_HOST);
  }

  long batchTokens() {
    return (long) rowLength * batchRows;
  }

  /** Of one rank in one step. */
  long stepTokens() {
    return batchTokens() * batches;
  }

  long layerLinears() {
    return model.linearParametersPerLayer();
  }

  long embedding() {
    return (long) model.vocabSize() * model.hiddenSize();
  }

  private boolean saves(String module) {
    return method != Method.FULL && config.lora().modulesToSave().contains(module);
  }

  boolean trainsHead() {
    return method == Method.FULL
        || saves("lm_head")
        || (model.tieWordEmbeddings() && saves("embed_tokens"));
  }

  boolean trainsEmbedding() {
    return method == Method.FULL || saves("embed_tokens");
  }

  /** Trained numbers of one layer. */
  long trainedOfLayer() {
    if (method == Method.FULL) {
      return layerLinears() + 2L * model.hiddenSize();
    }
    return lora(0);
  }

  private long lora(int layer) {
    LoraTargets targets = new LoraTargets(model, config.lora().r(), config.lora().targetModules());
    return targets.weights(layer).stream().mapToLong(weight -> weight.elements()).sum();
  }

  /** All trained numbers. */
  long trained() {
    long embeddings =
        (trainsEmbedding() ? embedding() : 0)
            + (trainsHead() && !model.tieWordEmbeddings() ? embedding() : 0);
    if (method == Method.FULL) {
      return model.parameters();
    }
    long adapters = 0;
    for (int layer = 0; layer < model.numHiddenLayers(); layer++) {
      adapters += lora(layer);
    }
    return adapters + embeddings;
  }

  /** The group whose gradient is largest. */
  long largestTrainedGroup() {
    return Math.max(trainedOfLayer(), trainsEmbedding() || trainsHead() ? embedding() : 0);
  }

  /** Stored bytes of one layer's frozen weights. */
  long frozenOfLayer() {
    long norms = 2L * model.hiddenSize() * plainBytes;
    return switch (method) {
      case QLORA -> Math.round(layerLinears() * NF4_BYTES) + norms;
      case LORA -> layerLinears() * plainBytes + norms;
      case FULL -> 0;
    };
  }

  /** Stored bytes of all frozen weights, of all ranks together. */
  long frozen() {
    if (method == Method.FULL) {
      return 0;
    }
    long heads = model.tieWordEmbeddings() ? 0 : trainsHead() ? 0 : embedding();
    long embeddings = trainsEmbedding() ? 0 : embedding();
    return model.numHiddenLayers() * frozenOfLayer()
        + (heads + embeddings + model.hiddenSize()) * plainBytes;
  }

  /** Whether LoRA's inputs have dropout, and with that masks in memory. */
  boolean dropout() {
    return method != Method.FULL && config.lora().dropout() > 0;
  }
}
