package org.sparkfinetune.inference.export;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Supplier;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderFamily.NormWeight;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.DecoderWeights.LayerNorms;
import org.sparkfinetune.model.family.LayerAttention.Rope;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.family.RopeScaling;
import org.sparkfinetune.model.family.WeightValues;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Names, order and values of a model's tensors as llama.cpp has them. */
final class GgufTensors {
  private static final Map<LinearModule, String> LINEARS =
      Map.of(
          LinearModule.Q_PROJ, "attn_q",
          LinearModule.K_PROJ, "attn_k",
          LinearModule.V_PROJ, "attn_v",
          LinearModule.QKV_PROJ, "attn_qkv",
          LinearModule.O_PROJ, "attn_output",
          LinearModule.GATE_PROJ, "ffn_gate",
          LinearModule.UP_PROJ, "ffn_up",
          LinearModule.GATE_UP_PROJ, "ffn_up",
          LinearModule.DOWN_PROJ, "ffn_down");

  private static final String ROUTER = "ffn_gate_inp.weight";

  private static final List<String> EXPERTS =
      List.of("ffn_gate_exps", "ffn_up_exps", "ffn_down_exps");

  private final MergedWeights weights;
  private final DecoderConfig config;
  private final GgufArchitecture architecture;
  private final Map<String, String> names;

  /**
   * @throws org.sparkfinetune.errors.UserError if llama.cpp would compute another model
   */
  GgufTensors(MergedWeights weights) {
    this.weights = weights;
    this.config = weights.config();
    this.architecture = GgufArchitecture.of(config);
    this.names = names(config);
  }

  /**
   * A tensor to write.
   *
   * @param shape rows first
   * @param values opens them, for any thread to read
   */
  record Tensor(String name, List<Long> shape, Supplier<WeightValues> values) {
    long elements() {
      return shape.stream().reduce(1L, Math::multiplyExact);
    }

    /** Whether it is written in the type asked for: routers stay float32, as converters do it. */
    boolean isMatrix() {
      return shape.size() >= 2 && !name.endsWith(ROUTER);
    }

    /** Numbers that lie together, the last dimension. */
    long rowLength() {
      return shape.get(shape.size() - 1);
    }
  }

  GgufArchitecture architecture() {
    return architecture;
  }

  /** In the order of the file. */
  List<Tensor> all() {
    List<Tensor> tensors = new ArrayList<>();
    GgufArchitecture.rope(config).ifPresent(rope -> tensors.addAll(factors(rope)));
    for (NamedShape weight : weights.weights()) {
      if (!names.containsKey(weight.name())) {
        continue;
      }
      tensors.add(
          new Tensor(
              Objects.requireNonNull(names.get(weight.name())),
              weight.shape(),
              () -> values(weight)));
    }
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      tensors.addAll(experts(layer));
    }
    return tensors;
  }

  /** Gate, up and down of a layer's experts, those of all experts in one tensor. */
  private List<Tensor> experts(int layer) {
    if (!config.experts().in(layer)) {
      return List.of();
    }
    List<Tensor> tensors = new ArrayList<>();
    for (int part = 0; part < EXPERTS.size(); part++) {
      List<NamedShape> all = new ArrayList<>();
      for (int expert = 0; expert < config.experts().count(); expert++) {
        all.add(DecoderWeights.expert(config, layer, expert).get(part));
      }
      List<Long> shape = new ArrayList<>(all.get(0).shape());
      shape.add(0, (long) all.size());
      String name = "blk." + layer + "." + EXPERTS.get(part) + ".weight";
      tensors.add(new Tensor(name, shape, () -> joined(all)));
    }
    return tensors;
  }

  /** Weights of one shape behind each other. */
  private WeightValues joined(List<NamedShape> all) {
    long each = all.get(0).elements();
    List<WeightValues> values = all.stream().map(this::values).toList();
    return (first, out, count) -> {
      for (int done = 0; done < count; ) {
        long at = first + done;
        int part = (int) Math.min(count - done, each - at % each);
        float[] piece = new float[part];
        values.get((int) (at / each)).read(at % each, piece, part);
        System.arraycopy(piece, 0, out, done, part);
        done += part;
      }
    };
  }

  /** What each frequency is divided by: llama.cpp's form of Llama 3.1's scaling and longrope. */
  private static List<Tensor> factors(Rope rope) {
    if (rope.scaling() instanceof RopeScaling.Llama3) {
      return List.of(factors("rope_freqs.weight", rope, 1));
    }
    return rope.scaling() instanceof RopeScaling.LongRope longRope
        ? List.of(
            factors("rope_factors_long.weight", rope, longRope.originalMaxPositions() + 1),
            factors("rope_factors_short.weight", rope, 1))
        : List.of();
  }

  private static Tensor factors(String name, Rope rope, int length) {
    float[] scaled = rope.frequencies(length);
    float[] plain =
        new Rope(rope.theta(), rope.dimensions(), new RopeScaling.None()).frequencies(length);
    return new Tensor(
        name,
        List.of((long) plain.length),
        () ->
            (first, out, count) -> {
              for (int i = 0; i < count; i++) {
                out[i] = plain[(int) first + i] / scaled[(int) first + i];
              }
            });
  }

  /** llama.cpp's name of every weight. */
  static Map<String, String> names(DecoderConfig config) {
    Map<String, String> names = new HashMap<>();
    names.put(DecoderWeights.EMBED_TOKENS, "token_embd.weight");
    names.put(DecoderWeights.FINAL_NORM, "output_norm.weight");
    names.put(DecoderWeights.LM_HEAD, "output.weight");
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      String block = "blk." + layer + ".";
      for (LinearModule module : LinearModule.of(config)) {
        for (String part : List.of(".weight", ".bias")) {
          names.put(
              DecoderWeights.layerPrefix(layer) + module.path() + part,
              block + LINEARS.get(module) + part);
        }
      }
      DecoderWeights.router(config, layer)
          .ifPresent(router -> names.put(router.name(), block + ROUTER));
      LayerNorms norms = LayerNorms.of(config, layer);
      putNorm(names, norms.attention(), block + "attn_norm.weight");
      putNorm(names, norms.mlp(), block + "ffn_norm.weight");
      putNorm(names, norms.query(), block + "attn_q_norm.weight");
      putNorm(names, norms.key(), block + "attn_k_norm.weight");
      putNorm(names, norms.afterAttention(), block + "post_attention_norm.weight");
      putNorm(names, norms.afterMlp(), block + "post_ffw_norm.weight");
    }
    return names;
  }

  private static void putNorm(Map<String, String> names, Optional<NamedShape> norm, String name) {
    norm.ifPresent(weight -> names.put(weight.name(), name));
  }

  private WeightValues values(NamedShape weight) {
    WeightValues values = weights.values(weight);
    if (config.family().normWeight() == NormWeight.ONE_PLUS
        && DecoderWeights.isNorm(weight.name())) {
      return (first, out, count) -> {
        values.read(first, out, count);
        for (int i = 0; i < count; i++) {
          out[i] += 1;
        }
      };
    }
    if (architecture.interleaved()) {
      if (weight.name().contains(LinearModule.Q_PROJ.path())) {
        return interleaved(values, weight, config.numAttentionHeads());
      }
      if (weight.name().contains(LinearModule.K_PROJ.path())) {
        return interleaved(values, weight, config.numKeyValueHeads());
      }
    }
    return values;
  }

  /**
   * Here llama.cpp rotates neighbouring rows of a head, Hugging Face's layout row i and row i +
   * D/2: row 2i of the file is row i, row 2i + 1 is row i + D/2.
   */
  private static WeightValues interleaved(WeightValues values, NamedShape weight, int heads) {
    int out = Math.toIntExact(weight.shape().get(0));
    int in = Math.toIntExact(weight.elements() / out);
    float[] whole = new float[out * in];
    values.read(0, whole, whole.length);
    int half = out / heads / 2;
    return (first, piece, count) -> {
      for (int i = 0; i < count; i++) {
        int row = (int) ((first + i) / in);
        int inHead = row % (2 * half);
        int from = row - inHead + inHead / 2 + inHead % 2 * half;
        piece[i] = whole[from * in + (int) ((first + i) % in)];
      }
    };
  }

  static List<Long> reversed(List<Long> shape) {
    List<Long> reversed = new ArrayList<>(shape);
    Collections.reverse(reversed);
    return reversed;
  }
}
