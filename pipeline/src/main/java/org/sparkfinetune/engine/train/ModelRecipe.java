package org.sparkfinetune.engine.train;

import java.util.OptionalLong;
import org.sparkfinetune.config.LoraConfig;
import org.sparkfinetune.config.Method;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.model.family.LlamaConfig;
import org.sparkfinetune.model.peft.LoraTargets;

/**
 * What is trained, and how it is computed.
 *
 * @param loraScale what LoRA's product is multiplied with
 * @param dropout of LoRA's inputs
 * @param plainType how frozen weights outside NF4 are kept: float32 for a float32 checkpoint, else
 *     bfloat16
 * @param keep of each layer's forward until its backward
 * @param inputs where layers' inputs wait for the backward
 * @param activationMemory bytes that may wait in memory for the backward, if the user said so
 */
record ModelRecipe(
    LlamaConfig config,
    ModelGroups.Method method,
    double loraScale,
    double dropout,
    long seed,
    Precision precision,
    PlainType plainType,
    TokenBatch.Attention attention,
    LayerKeep keep,
    Inputs inputs,
    OptionalLong activationMemory,
    Sharding sharding) {

  enum Inputs {
    IN_MEMORY,
    IN_A_FILE
  }

  /**
   * @param lora as it is carried out: an adapter that is trained on brings its own
   */
  static ModelRecipe of(TrainConfig config, LoraConfig lora, BaseModel base, ComputeDevice device) {
    return new ModelRecipe(
        base.config(),
        method(config.method(), lora, base.config()),
        lora.scaling(),
        config.method() == Method.FULL ? 0 : lora.dropout(),
        config.seed(),
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
        Sharding.of(config.parallelism()));
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

  private static ModelGroups.Method method(Method method, LoraConfig lora, LlamaConfig llama) {
    return switch (method) {
      case FULL -> new ModelGroups.Method.Full();
      case LORA, QLORA ->
          new ModelGroups.Method.Lora(
              new LoraTargets(llama, lora.r(), lora.targetModules()),
              lora.modulesToSave(),
              method == Method.QLORA ? ModelGroups.Base.NF4 : ModelGroups.Base.PLAIN);
    };
  }
}
