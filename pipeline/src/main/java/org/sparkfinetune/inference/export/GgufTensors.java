package org.sparkfinetune.inference.export;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.model.family.LayerAttention.Rope;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.family.LlamaConfig;
import org.sparkfinetune.model.family.LlamaWeights;
import org.sparkfinetune.model.family.RopeScaling;
import org.sparkfinetune.model.family.WeightValues;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Names, order and values of a Llama's tensors as llama.cpp has them. */
final class GgufTensors {
  private static final Map<String, String> PARTS =
      Map.ofEntries(
          Map.entry("input_layernorm", "attn_norm"),
          Map.entry("post_attention_layernorm", "ffn_norm"),
          Map.entry(LinearModule.Q_PROJ.path(), "attn_q"),
          Map.entry(LinearModule.K_PROJ.path(), "attn_k"),
          Map.entry(LinearModule.V_PROJ.path(), "attn_v"),
          Map.entry(LinearModule.O_PROJ.path(), "attn_output"),
          Map.entry(LinearModule.GATE_PROJ.path(), "ffn_gate"),
          Map.entry(LinearModule.UP_PROJ.path(), "ffn_up"),
          Map.entry(LinearModule.DOWN_PROJ.path(), "ffn_down"));

  private final MergedWeights weights;
  private final LlamaConfig config;

  GgufTensors(MergedWeights weights) {
    this.weights = weights;
    this.config = weights.config();
  }

  /** A tensor to write; shape rows first. */
  record Tensor(String name, List<Long> shape, WeightValues values) {
    long elements() {
      return shape.stream().reduce(1L, Math::multiplyExact);
    }

    boolean isMatrix() {
      return shape.size() == 2;
    }
  }

  /** llama.cpp's name of the architecture, which decides how it rotates. */
  String architecture() {
    return config.modelType().equals("qwen2") ? "qwen2" : "llama";
  }

  /** That of all layers. */
  static Rope rope(LlamaConfig config) {
    return config.layers().get(0).rope().orElseThrow();
  }

  /** In the order of the file; values are read as each tensor's turn comes. */
  List<Tensor> all() {
    List<Tensor> tensors = new ArrayList<>();
    if (rope(config).scaling() instanceof RopeScaling.Llama3) {
      tensors.add(ropeFactors());
    }
    for (NamedShape weight : weights.weights()) {
      tensors.add(new Tensor(name(weight.name()), weight.shape(), lazily(weight)));
    }
    return tensors;
  }

  private WeightValues lazily(NamedShape weight) {
    return new WeightValues() {
      private List<WeightValues> opened = List.of();

      @Override
      public void read(long first, float[] out, int count) {
        if (first == 0) {
          opened = List.of(values(weight));
        }
        opened.get(0).read(first, out, count);
        if (first + count == weight.elements()) {
          opened = List.of();
        }
      }
    };
  }

  /** What each frequency is divided by: llama.cpp's form of Llama 3.1's scaling. */
  private Tensor ropeFactors() {
    Rope rope = rope(config);
    float[] scaled = rope.frequencies(1);
    float[] plain =
        new Rope(rope.theta(), rope.dimensions(), new RopeScaling.None()).frequencies(1);
    return new Tensor(
        "rope_freqs.weight",
        List.of((long) plain.length),
        (first, out, count) -> {
          for (int i = 0; i < count; i++) {
            out[i] = plain[(int) first + i] / scaled[(int) first + i];
          }
        });
  }

  static String name(String weight) {
    switch (weight) {
      case LlamaWeights.EMBED_TOKENS:
        return "token_embd.weight";
      case LlamaWeights.FINAL_NORM:
        return "output_norm.weight";
      case LlamaWeights.LM_HEAD:
        return "output.weight";
      default:
        String[] parts = weight.split("\\.", 4);
        int dot = parts[3].lastIndexOf('.');
        return "blk.%s.%s%s"
            .formatted(
                parts[2],
                PARTS.getOrDefault(parts[3].substring(0, dot), parts[3].substring(0, dot)),
                parts[3].substring(dot));
    }
  }

  private WeightValues values(NamedShape weight) {
    WeightValues values = weights.values(weight);
    if (architecture().equals("llama")) {
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
   * For "llama", llama.cpp rotates neighbouring rows of a head, Hugging Face's layout row i and row
   * i + D/2: row 2i of the file is row i, row 2i + 1 is row i + D/2.
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
