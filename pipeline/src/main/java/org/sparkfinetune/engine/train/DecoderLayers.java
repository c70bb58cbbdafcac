package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.sparkfinetune.engine.tensor.LayerInputs;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderFamily;
import org.sparkfinetune.model.family.DecoderFamily.Rotation;
import org.sparkfinetune.model.family.LayerAttention;
import org.sparkfinetune.model.family.LayerAttention.QueryGrowth;
import org.sparkfinetune.model.family.LayerAttention.Rope;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.peft.LoraTargets;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Puts a layer's weights, LoRA, dropout and rotary angles in the order that the script takes. */
final class DecoderLayers {
  private final Ops ops;
  private final DecoderConfig config;
  private final Precision precision;
  private final RotaryEmbedding rotary;
  private final DropoutMasks dropout;
  private final List<double[]> loraScales;
  private final Optional<LoraTargets> targets;
  private final Tensor none;

  DecoderLayers(
      Ops ops,
      DecoderConfig config,
      Precision precision,
      DropoutMasks dropout,
      Optional<LoraTargets> targets,
      Scope scope) {
    this.ops = ops;
    this.config = config;
    this.precision = precision;
    this.rotary = new RotaryEmbedding(config);
    this.dropout = dropout;
    this.loraScales =
        IntStream.range(0, config.numHiddenLayers())
            .mapToObj(
                layer ->
                    targets
                        .map(all -> all.scales(layer))
                        .orElseGet(() -> new double[LinearModule.SLOTS]))
            .toList();
    this.targets = targets;
    this.none = ops.empty(scope, ElementType.FLOAT32, 0);
  }

  /** Whether dropout is on, and for which step. */
  sealed interface Mode {
    record Training(long step) implements Mode {}

    record Evaluation() implements Mode {}
  }

  RotaryEmbedding.Angles angles(Scope scope, TokenBatch batch) {
    ElementType type =
        config.family().rotation() == Rotation.FLOAT32 ? ElementType.FLOAT32 : precision.compute();
    return rotary.angles(scope, ops, batch, type);
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
    List<Tensor> lora = new ArrayList<>(Collections.nCopies(3 * LinearModule.SLOTS, none));
    List<LinearModule> adapted = new ArrayList<>();
    for (LinearModule module : LinearModule.of(config)) {
      Optional<Tensor> a = weights.find(LoraTargets.nameA(config, layer, module));
      a.ifPresent(tensor -> adapted.add(module));
      lora.set(2 * module.slot(), a.orElse(none));
      lora.set(
          2 * module.slot() + 1,
          weights.find(LoraTargets.nameB(config, layer, module)).orElse(none));
      lora.set(
          2 * LinearModule.SLOTS + module.slot(),
          targets.flatMap(all -> weights.find(all.nameC(layer, module))).orElse(none));
    }
    RotaryEmbedding.Turn turn = angles.ofLayers().get(layer);
    return new LayerInputs(
        slots,
        lora,
        masks(scope, layer, batch, mode, adapted),
        loraScales.get(layer),
        turn.cos(),
        turn.sin(),
        batch.cuts(),
        arithmetic(layer));
  }

  private LayerInputs.Arithmetic arithmetic(int layer) {
    DecoderFamily family = config.family();
    return new LayerInputs.Arithmetic(
        config.headDim(),
        config.layers().get(layer).window(),
        family.qkNorm().ordinal(),
        family.normWeight().ordinal(),
        family.activation().ordinal(),
        config.rmsNormEps(),
        config.attentionScale(),
        family.scales().residual(),
        family.softCaps().attention());
  }

  private List<Tensor> masks(
      Scope scope, int layer, TokenBatch batch, Mode mode, List<LinearModule> adapted) {
    DropoutMasks.Targets targets = new DropoutMasks.Targets(adapted, precision.compute());
    if (mode instanceof Mode.Training training) {
      return dropout.masks(scope, ops, batch, training.step(), layer, targets, none);
    }
    return Collections.nCopies(LinearModule.SLOTS, none);
  }

  /** Names of the gradients that a layer's backward gives after dx, in its order. */
  List<Optional<String>> gradientNames(int layer) {
    List<Optional<String>> names =
        new ArrayList<>(Collections.nCopies(3 * LinearModule.SLOTS, Optional.empty()));
    for (LinearModule module : LinearModule.of(config)) {
      names.set(2 * module.slot(), Optional.of(LoraTargets.nameA(config, layer, module)));
      names.set(2 * module.slot() + 1, Optional.of(LoraTargets.nameB(config, layer, module)));
      names.set(
          2 * LinearModule.SLOTS + module.slot(), targets.map(all -> all.nameC(layer, module)));
    }
    ModelGroups.slots(config, layer).forEach(slot -> names.add(slot.map(NamedShape::name)));
    return names;
  }

  /** Cosines and sines of a batch's positions, for each layer. */
  static final class RotaryEmbedding {
    private final List<LayerAttention> layers;

    RotaryEmbedding(DecoderConfig config) {
      this.layers = config.layers();
    }

    /**
     * What turns a layer's queries and keys.
     *
     * @param cos (N, 1, E), or (N, 2, E) with the queries' first; of no elements in a layer without
     *     positions
     * @param sin like cos
     */
    record Turn(Tensor cos, Tensor sin) {}

    /** Layers with equal embeddings share their tensors. */
    record Angles(List<Turn> ofLayers) {}

    Angles angles(Scope scope, Ops ops, TokenBatch batch, ElementType type) {
      Map<Optional<Rope>, Turn> distinct = new HashMap<>();
      List<Turn> all = new ArrayList<>();
      for (LayerAttention layer : layers) {
        all.add(
            distinct.computeIfAbsent(layer.rope(), rope -> turn(scope, ops, batch, rope, type)));
      }
      return new Angles(all);
    }

    private static Turn turn(
        Scope scope, Ops ops, TokenBatch batch, Optional<Rope> rope, ElementType type) {
      if (rope.isEmpty()) {
        Tensor none = ops.empty(scope, type, 0);
        return new Turn(none, none);
      }
      int width = rope.get().dimensions();
      float[] cos = new float[batch.length() * width];
      float[] sin = new float[cos.length];
      Arrays.fill(cos, 1);
      long[] cuts = batch.cuts();
      for (int sample = 0; sample + 1 < cuts.length; sample++) {
        turn(batch, (int) cuts[sample], (int) cuts[sample + 1], rope.get(), cos, sin);
      }
      QueryGrowth growth = rope.get().growth();
      return new Turn(
          tensor(scope, ops, withQueries(cos, growth, batch), batch.length(), width, type),
          tensor(scope, ops, withQueries(sin, growth, batch), batch.length(), width, type));
    }

    /** (n, 2, E), each token's row times its growth before it, if one of them grows. */
    private static float[] withQueries(float[] rows, QueryGrowth growth, TokenBatch batch) {
      if (IntStream.of(batch.positions()).noneMatch(position -> growth.factor(position) != 1)) {
        return rows;
      }
      int width = rows.length / batch.length();
      float[] both = new float[2 * rows.length];
      for (int t = 0; t < batch.length(); t++) {
        float factor = t < batch.tokens() ? growth.factor(batch.positions()[t]) : 1;
        for (int i = 0; i < width; i++) {
          float value = rows[t * width + i];
          both[2 * t * width + i] = value * factor;
          both[(2 * t + 1) * width + i] = value;
        }
      }
      return both;
    }

    /** Of the tokens [from, to), which are one sample. */
    private static void turn(
        TokenBatch batch, int from, int to, Rope rope, float[] cos, float[] sin) {
      int last = 0;
      for (int t = from; t < to; t++) {
        last = Math.max(last, batch.positions()[t]);
      }
      float[] frequencies = rope.frequencies(last + 1);
      float factor = (float) rope.scaling().attentionFactor();
      int half = frequencies.length;
      for (int t = from; t < to; t++) {
        for (int i = 0; i < half; i++) {
          float angle = batch.positions()[t] * frequencies[i];
          int at = t * half * 2 + i;
          cos[at] = (float) Math.cos(angle) * factor;
          sin[at] = (float) Math.sin(angle) * factor;
          cos[at + half] = cos[at];
          sin[at + half] = sin[at];
        }
      }
    }

    private static Tensor tensor(
        Scope scope, Ops ops, float[] values, int n, int width, ElementType type) {
      Tensor plain = ops.ofFloats(scope, values, n, n == 0 ? 1 : values.length / n / width, width);
      return type == ElementType.FLOAT32 ? plain : ops.cast(scope, plain, type);
    }
  }
}
