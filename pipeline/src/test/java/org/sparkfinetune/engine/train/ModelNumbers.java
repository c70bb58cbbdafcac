package org.sparkfinetune.engine.train;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.fsdp.TrainableLayout;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Ops.AdamWStep;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.safetensors.NamedShape;

/** The numbers of a rank's model, for tests to compare. */
final class ModelNumbers {
  private ModelNumbers() {}

  /** Trainable weights of all ranks together. */
  static Map<String, float[]> weights(RankModel model, long version) {
    Map<String, float[]> weights = new TreeMap<>();
    try (Scope scope = model.ops().torch().scope()) {
      for (TrainableGroup group : model.weights().trainable()) {
        var flat = group.unshard(scope, version);
        for (TrainableLayout.Entry entry : group.layout().entries()) {
          NamedShape tensor = entry.tensor();
          weights.put(
              tensor.name(),
              floats(model, model.ops().view(scope, flat, entry.at(), tensor.elements())));
        }
      }
    }
    return weights;
  }

  static float[] floats(RankModel model, Tensor x) {
    try (Scope scope = model.ops().torch().scope()) {
      return model.ops().hostMemory().toHost(scope, x).toFloats();
    }
  }

  /** Logits of every token of a batch. */
  static float[] logits(RankModel model, TokenBatch batch) {
    ModelRecipe recipe = model.recipe();
    DecoderConfig config = recipe.config();
    Ops ops = model.ops();
    try (Scope scope = ops.torch().scope()) {
      Tensor x =
          new ForwardPass(model)
              .output(scope, List.of(batch), List.of(model.layers().angles(scope, batch)), 0)
              .get(0);
      Weights weights = model.weights();
      Tensor norm = weights.whole(scope, ModelGroups.NORM, 0).tensor(DecoderWeights.FINAL_NORM);
      Tensor head =
          weights.hasHead()
              ? weights.whole(scope, ModelGroups.HEAD, 0).tensor(DecoderWeights.LM_HEAD)
              : weights.whole(scope, ModelGroups.EMBED, 0).tensor(DecoderWeights.EMBED_TOKENS);
      Tensor typed = ops.cast(scope, x, recipe.precision().compute());
      int kind = config.family().normWeight().ordinal();
      Tensor normed = ops.rmsNorm(scope, typed, norm, config.rmsNormEps(), kind);
      Tensor scaled = ops.times(scope, normed, config.family().scales().logits());
      float[] all = ops.logits(scope, scaled, head, config.family().softCaps().logits()).toFloats();
      return Arrays.copyOf(all, batch.tokens() * config.vocabSize());
    }
  }

  /** A part of a group's state on this rank: parameters, exp_avg or exp_avg_sq. */
  static Tensor state(TrainableGroup group, String part) {
    return Objects.requireNonNull(group.state().get(part + "/" + group.name())).values();
  }

  /** Adds this rank's part of every gradient: with beta1 = 0 the first moment is the gradient. */
  static void gradients(RankModel model, Map<String, float[]> all) {
    try (Scope scope = model.ops().torch().scope()) {
      for (TrainableGroup group : model.weights().trainable()) {
        group.update(scope, new AdamWStep(1, 0, 0, 0, 0.999, 1e-8, 1), 1);
        float[] moment = floats(model, state(group, "exp_avg"));
        for (TrainableLayout.Piece piece : group.layout().pieces(model.exchange().rank())) {
          float[] whole =
              all.computeIfAbsent(
                  piece.tensor().name(), name -> new float[(int) piece.tensor().elements()]);
          System.arraycopy(
              moment,
              (int) piece.sliceElement(),
              whole,
              (int) piece.firstElement(),
              (int) piece.count());
        }
      }
    }
  }
}
