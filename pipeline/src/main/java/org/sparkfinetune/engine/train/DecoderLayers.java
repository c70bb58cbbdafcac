package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.engine.tensor.LayerInputs;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.family.LlamaConfig;
import org.sparkfinetune.model.peft.LoraTargets;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Puts a layer's weights, LoRA, dropout and rotary angles in the order that the script takes. */
final class DecoderLayers {
  private final Ops ops;
  private final LlamaConfig config;
  private final Precision precision;
  private final RotaryEmbedding rotary;
  private final DropoutMasks dropout;
  private final List<double[]> loraScales;
  private final Tensor none;

  DecoderLayers(
      Ops ops,
      LlamaConfig config,
      Precision precision,
      DropoutMasks dropout,
      List<double[]> loraScales,
      Scope scope) {
    this.ops = ops;
    this.config = config;
    this.precision = precision;
    this.rotary = new RotaryEmbedding(config);
    this.dropout = dropout;
    this.loraScales = loraScales;
    this.none = ops.empty(scope, ElementType.FLOAT32, 0);
  }

  /** Whether dropout is on, and for which step. */
  sealed interface Mode {
    record Training(long step) implements Mode {}

    record Evaluation() implements Mode {}
  }

  RotaryEmbedding.Angles angles(Scope scope, TokenBatch batch) {
    int[] positions = Arrays.copyOf(batch.positions(), batch.length());
    return rotary.angles(scope, ops, positions, precision.compute());
  }

  LayerInputs inputs(
      Scope scope,
      int layer,
      Weights.Gathered weights,
      TokenBatch batch,
      RotaryEmbedding.Angles angles,
      Mode mode) {
    List<Tensor> slots = new ArrayList<>();
    for (Optional<NamedShape> slot : ModelGroups.slots(config, layer)) {
      slots.add(slot.map(tensor -> weights.tensor(tensor.name())).orElse(none));
    }
    List<Tensor> lora = new ArrayList<>();
    List<LinearModule> adapted = new ArrayList<>();
    for (LinearModule module : LinearModule.all()) {
      Optional<Tensor> a = weights.find(LoraTargets.nameA(layer, module));
      a.ifPresent(tensor -> adapted.add(module));
      lora.add(a.orElse(none));
      lora.add(weights.find(LoraTargets.nameB(layer, module)).orElse(none));
    }
    return new LayerInputs(
        slots,
        lora,
        masks(scope, layer, batch, mode, adapted),
        loraScales.get(layer),
        angles.cos(),
        angles.sin(),
        batch.cuts(),
        config.headDim(),
        config.rmsNormEps());
  }

  private List<Tensor> masks(
      Scope scope, int layer, TokenBatch batch, Mode mode, List<LinearModule> adapted) {
    DropoutMasks.Targets targets = new DropoutMasks.Targets(adapted, precision.compute());
    if (mode instanceof Mode.Training training) {
      return dropout.masks(scope, ops, batch, training.step(), layer, targets, none);
    }
    return LinearModule.all().stream().map(module -> none).toList();
  }

  /** Names of the gradients that a layer's backward gives after dx, in its order. */
  List<Optional<String>> gradientNames(int layer) {
    List<Optional<String>> names = new ArrayList<>();
    for (LinearModule module : LinearModule.all()) {
      names.add(Optional.of(LoraTargets.nameA(layer, module)));
      names.add(Optional.of(LoraTargets.nameB(layer, module)));
    }
    ModelGroups.slots(config, layer).forEach(slot -> names.add(slot.map(NamedShape::name)));
    return names;
  }

  /**
   * Rotary position embedding in the rotate-half layout of Hugging Face weights: angle of pair i at
   * position t is {@code t * theta^(-2i/D)}, in float32 as transformers computes it.
   */
  static final class RotaryEmbedding {
    private final float[] inverseFrequencies;

    RotaryEmbedding(LlamaConfig config) {
      this.inverseFrequencies = config.inverseFrequencies();
    }

    /** Cosines and sines for some positions. */
    record Angles(Tensor cos, Tensor sin) {}

    /** (N, 1, D) each, of type {@code type}, for N positions. */
    Angles angles(Scope scope, Ops ops, int[] positions, ElementType type) {
      int half = inverseFrequencies.length;
      float[] cos = new float[positions.length * half * 2];
      float[] sin = new float[cos.length];
      for (int t = 0; t < positions.length; t++) {
        for (int i = 0; i < half; i++) {
          float angle = positions[t] * inverseFrequencies[i];
          int at = t * half * 2 + i;
          cos[at] = (float) Math.cos(angle);
          sin[at] = (float) Math.sin(angle);
          cos[at + half] = cos[at];
          sin[at + half] = sin[at];
        }
      }
      return new Angles(
          tensor(scope, ops, cos, positions.length, type),
          tensor(scope, ops, sin, positions.length, type));
    }

    private static Tensor tensor(Scope scope, Ops ops, float[] values, int n, ElementType type) {
      Tensor plain = ops.ofFloats(scope, values, n, 1, n == 0 ? 1 : values.length / n);
      return type == ElementType.FLOAT32 ? plain : ops.cast(scope, plain, type);
    }
  }
}
