package org.sparkfinetune.engine.train;

import java.util.Optional;
import java.util.OptionalLong;
import org.sparkfinetune.config.Parallelism;
import org.sparkfinetune.config.Parallelism.ShardingStrategy;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.config.TrainConfig.Regularization;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.AdamMoments;
import org.sparkfinetune.engine.fsdp.FrozenReader.Reshard;
import org.sparkfinetune.engine.fsdp.ShardRanks;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.train.ActivationBudget.LayerActivations;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.LoraTargets;

/**
 * What is trained, and how it is computed.
 *
 * @param dropout of LoRA's inputs
 * @param loraPlusRatio by which the learning rate of LoRA's B is higher than A's
 * @param plainType how frozen weights outside NF4 are kept: float32 for a float32 checkpoint, else
 *     bfloat16
 * @param keep of each layer's forward until its backward
 * @param inputs where layers' inputs wait for the backward
 * @param activationMemory bytes that may wait in memory for the backward, if the user said so
 * @param routerBalance coefficient of the loss that balances experts, 0 for none
 * @param moments how the optimizer keeps them
 * @param residentBytes of frozen weights that may stay on a device with memory of its own
 */
record ModelRecipe(
    DecoderConfig config,
    ModelGroups.Method method,
    double dropout,
    long seed,
    double loraPlusRatio,
    Precision precision,
    PlainType plainType,
    TokenBatch.Attention attention,
    LayerKeep keep,
    Inputs inputs,
    OptionalLong activationMemory,
    Sharding sharding,
    double routerBalance,
    Regularization regularization,
    AdamMoments.Type moments,
    long residentBytes) {

  enum Inputs {
    IN_MEMORY,
    IN_A_FILE
  }

  /**
   * @param lora as it is carried out: an adapter that is trained on brings its own
   * @param residentBytes of frozen weights that may stay on the device
   */
  static ModelRecipe of(
      TrainConfig config,
      AdapterConfig lora,
      BaseModel base,
      ComputeDevice device,
      long residentBytes) {
    return new ModelRecipe(
        base.config(),
        method(config, lora, base.config()),
        config.dropout(lora.dropout()),
        config.seed(),
        config.lora().options().loraplusLrRatio().orElse(1.0),
        Precision.of(config.compute(), device),
        config.compute().bf16() ? PlainType.BFLOAT16 : base.plainType(),
        config.data().crossSampleAttention()
            ? TokenBatch.Attention.ACROSS_SAMPLES
            : TokenBatch.Attention.WITHIN_SAMPLES,
        switch (config.compute().gradientCheckpointing()) {
          case ON -> LayerKeep.NOTHING;
          case SELECTIVE -> LayerKeep.ATTENTION;
          case OFF -> LayerKeep.EVERYTHING;
        },
        config.parallelism().activationOffload() ? Inputs.IN_A_FILE : Inputs.IN_MEMORY,
        config.parallelism().activationMemory(),
        Sharding.of(config.parallelism()),
        config.optimization().routerAuxLossCoef().orElse(0.0),
        config.regularization(),
        AdamMoments.Type.of(config.optimization().optim()),
        residentBytes);
  }

  /** Bytes in memory that wait for the backward of all layers, for one token. */
  long keptPerToken() {
    long input =
        switch (inputs) {
          case IN_MEMORY -> LayerActivations.input(config, precision.stored().bytes());
          case IN_A_FILE -> 0;
        };
    return config.numHiddenLayers()
        * (input + LayerActivations.rest(config, precision.compute().bytes(), keep));
  }

  /** The linears with LoRA, if adapters are trained. */
  Optional<LoraTargets> loraTargets() {
    return method instanceof ModelGroups.Method.Lora lora
        ? Optional.of(lora.targets())
        : Optional.empty();
  }

  private static ModelGroups.Method method(
      TrainConfig config, AdapterConfig lora, DecoderConfig llama) {
    return switch (config.method()) {
      case FULL -> new ModelGroups.Method.Full();
      case LORA, QLORA ->
          new ModelGroups.Method.Lora(
              AdapterConfig.targets(config, lora, llama),
              lora.modulesToSave(),
              config.method() == Method.QLORA ? ModelGroups.Base.NF4 : ModelGroups.Base.PLAIN);
    };
  }

  /**
   * Types of a run's tensors.
   *
   * @param compute of weights and activations inside a layer
   * @param stored of activations kept between layers
   */
  record Precision(ElementType compute, ElementType stored) {
    static final Precision FLOAT32 = new Precision(ElementType.FLOAT32, ElementType.FLOAT32);
    static final Precision BFLOAT16 = new Precision(ElementType.BFLOAT16, ElementType.BFLOAT16);

    /**
     * bfloat16 on a device without bfloat16 arithmetic: libtorch emulates it there, tens of times
     * slower than float32. Weights and activations between layers are bfloat16 values, what is
     * computed with them is float32.
     */
    static final Precision BFLOAT16_STORED =
        new Precision(ElementType.FLOAT32, ElementType.BFLOAT16);

    /** What a configuration asks for, as the device does it best. */
    static Precision of(Compute compute, ComputeDevice device) {
      if (!compute.bf16()) {
        return FLOAT32;
      }
      return device.hasBfloat16Arithmetic() ? BFLOAT16 : BFLOAT16_STORED;
    }
  }

  /** How a model is spread over the ranks. */
  record Sharding(ShardingStrategy strategy, Prefetch prefetch) {
    enum Prefetch {
      /** A layer is asked for while the one before it is computed. */
      NEXT_LAYER,
      NONE
    }

    static Sharding of(Parallelism parallelism) {
      return new Sharding(
          parallelism.strategy(),
          parallelism.backwardPrefetch() ? Prefetch.NEXT_LAYER : Prefetch.NONE);
    }

    /** Who holds the frozen weights together with this rank. */
    ShardRanks frozenRanks(ProcessGroup exchange) {
      return switch (strategy) {
        case FULL_SHARD, SHARD_GRAD_OP -> ShardRanks.all(exchange);
        case HYBRID_SHARD -> ShardRanks.onThisHost(exchange);
        case NO_SHARD -> ShardRanks.alone(exchange);
      };
    }

    /** What becomes of the weights of other ranks. */
    Reshard reshard() {
      return switch (strategy) {
        case FULL_SHARD, HYBRID_SHARD -> Reshard.AFTER_EACH_USE;
        case SHARD_GRAD_OP, NO_SHARD -> Reshard.AFTER_EACH_VERSION;
      };
    }
  }
}
