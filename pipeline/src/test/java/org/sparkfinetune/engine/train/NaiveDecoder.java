package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderFamily;
import org.sparkfinetune.model.family.Experts;
import org.sparkfinetune.model.family.LayerAttention.Rope;
import org.sparkfinetune.model.family.RopeScaling;

/**
 * A decoder with LoRA in plain loops over doubles, one token after the other, written from the
 * formulas alone: what the fast one is measured by.
 */
final class NaiveDecoder {
  private final DecoderConfig config;
  private final DecoderFamily family;
  private final Map<String, double[]> weights;
  private final double loraScale;
  private final Map<String, double[]> masks = new HashMap<>();
  private final Map<String, double[]> lengths = new HashMap<>();
  private List<Integer> tokens = List.of();

  /**
   * @param weights by the checkpoint's names, LoRA's A and B among them
   */
  NaiveDecoder(DecoderConfig config, Map<String, double[]> weights, double loraScale) {
    this.config = config;
    this.family = config.family();
    this.weights = weights;
    this.loraScale = loraScale;
  }

  /**
   * Dropout's factors of one row's inputs to one linear, (tokens, in).
   *
   * @param place row / module, as {@code 0/model.layers.1.mlp.up_proj}
   */
  void mask(String place, double[] factors) {
    masks.put(place, factors);
  }

  /** Tokens whose embeddings stand beside the table. */
  void tokens(List<Integer> ids) {
    tokens = ids;
  }

  private double[] embeddings() {
    double[] table = weights.get("model.embed_tokens.weight").clone();
    double[] rows = weights.get("model.embed_tokens.token_adapter.trainable_tokens_delta");
    int width = config.hiddenSize();
    for (int i = 0; i < tokens.size(); i++) {
      System.arraycopy(rows, i * width, table, tokens.get(i) * width, width);
    }
    return table;
  }

  /** Lengths of the rows of {@code W + scale B A} of a linear with DoRA, which stay so. */
  void lengths(String module, double[] rows) {
    lengths.put(module, rows);
  }

  /** Mean over the trained tokens of all rows. */
  double loss(List<PackedRow> rows) {
    double sum = 0;
    int trained = 0;
    for (int r = 0; r < rows.size(); r++) {
      PackedRow row = rows.get(r);
      double[][] logits = logits(r, row);
      for (int t = 0; t + 1 < row.length(); t++) {
        int label = row.labels()[t + 1];
        if (label >= 0 && row.segmentIds()[t] == row.segmentIds()[t + 1]) {
          sum += logSumExp(logits[t]) - logits[t][label];
          trained++;
        }
      }
    }
    return sum / trained;
  }

  double[][] logits(int r, PackedRow row) {
    int n = row.length();
    double[] table = embeddings();
    double[][] x = new double[n][config.hiddenSize()];
    for (int t = 0; t < n; t++) {
      for (int i = 0; i < x[t].length; i++) {
        double embedded = table[row.inputIds()[t] * x[t].length + i];
        x[t][i] = (float) family.scales().embedding() * embedded;
      }
    }
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      x = layer(r, row, layer, x);
    }
    double[] head = weights.getOrDefault("lm_head.weight", table);
    double[][] logits = new double[n][];
    for (int t = 0; t < n; t++) {
      logits[t] = multiply(head, norm(x[t], "model.norm"));
      for (int i = 0; i < logits[t].length; i++) {
        logits[t][i] = capped(logits[t][i] * family.scales().logits(), family.softCaps().logits());
      }
    }
    return logits;
  }

  private static double capped(double x, double cap) {
    return cap > 0 ? cap * Math.tanh(x / cap) : x;
  }

  private double[][] layer(int r, PackedRow row, int layer, double[][] x) {
    String prefix = "model.layers." + layer + ".";
    boolean both = family.norms() == DecoderFamily.Norms.BOTH;
    boolean before = family.norms().before();
    boolean after = family.norms().after();
    int n = x.length;
    int d = config.headDim();
    double[][] q = new double[n][];
    double[][] k = new double[n][];
    double[][] v = new double[n][];
    for (int t = 0; t < n; t++) {
      double[] normed = before ? norm(x[t], prefix + "input_layernorm") : x[t];
      projections(r, t, prefix + "self_attn.", normed, q, k, v);
      q[t] =
          grown(rotate(headNorm(q[t], prefix + "self_attn.q_norm"), row, t, layer), row, t, layer);
      k[t] = rotate(headNorm(k[t], prefix + "self_attn.k_norm"), row, t, layer);
    }
    double[][] y = new double[n][];
    for (int t = 0; t < n; t++) {
      double[] attended = new double[config.numAttentionHeads() * d];
      for (int head = 0; head < config.numAttentionHeads(); head++) {
        int group = head / (config.numAttentionHeads() / config.numKeyValueHeads());
        attend(row, t, layer, head * d, group * d, q, k, v, attended);
      }
      double[] o = linear(r, t, prefix + "self_attn.o_proj", attended);
      double[] h = branch(x[t], after ? norm(o, prefix + "post_attention_layernorm") : o);
      String mlpNorm = both ? "pre_feedforward_layernorm" : "post_attention_layernorm";
      double[] normed = before ? norm(h, prefix + mlpNorm) : h;
      double[] down =
          config.experts().in(layer)
              ? mixture(r, t, prefix + "mlp.", normed)
              : mlp(r, t, prefix + "mlp.", normed);
      y[t] = branch(h, after ? norm(down, prefix + "post_feedforward_layernorm") : down);
    }
    return y;
  }

  private void projections(
      int r, int t, String prefix, double[] x, double[][] q, double[][] k, double[][] v) {
    if (family.linears() == DecoderFamily.Linears.FUSED) {
      double[] all = linear(r, t, prefix + "qkv_proj", x);
      int queries = config.numAttentionHeads() * config.headDim();
      int keys = config.numKeyValueHeads() * config.headDim();
      q[t] = Arrays.copyOf(all, queries);
      k[t] = Arrays.copyOfRange(all, queries, queries + keys);
      v[t] = Arrays.copyOfRange(all, queries + keys, all.length);
    } else {
      q[t] = linear(r, t, prefix + "q_proj", x);
      k[t] = linear(r, t, prefix + "k_proj", x);
      v[t] = linear(r, t, prefix + "v_proj", x);
    }
  }

  private double[] mlp(int r, int t, String prefix, double[] x) {
    double[] gate;
    double[] up;
    if (family.linears() == DecoderFamily.Linears.FUSED) {
      double[] both = linear(r, t, prefix + "gate_up_proj", x);
      gate = Arrays.copyOf(both, both.length / 2);
      up = Arrays.copyOfRange(both, both.length / 2, both.length);
    } else {
      gate = linear(r, t, prefix + "gate_proj", x);
      up = linear(r, t, prefix + "up_proj", x);
    }
    for (int i = 0; i < gate.length; i++) {
      gate[i] = activated(gate[i]) * up[i];
    }
    return linear(r, t, prefix + "down_proj", gate);
  }

  /** The likeliest experts' results times their probabilities, or shares of them. */
  private double[] mixture(int r, int t, String prefix, double[] x) {
    double[] logits = multiply(weights.get(prefix + "gate.weight"), x);
    double all = logSumExp(logits);
    List<Integer> chosen =
        IntStream.range(0, logits.length)
            .boxed()
            .sorted(Comparator.comparingDouble(expert -> -logits[expert]))
            .limit(config.experts().perToken())
            .toList();
    double sum =
        config.experts().weighting() == Experts.Weighting.SHARE
            ? chosen.stream().mapToDouble(expert -> Math.exp(logits[expert] - all)).sum()
            : 1;
    double[] y = new double[x.length];
    for (int expert : chosen) {
      double[] own = mlp(r, t, prefix + "experts." + expert + ".", x);
      for (int i = 0; i < y.length; i++) {
        y[i] += Math.exp(logits[expert] - all) / sum * own[i];
      }
    }
    return y;
  }

  private double activated(double x) {
    return switch (family.activation()) {
      case SILU -> x / (1 + Math.exp(-x));
      case GELU_TANH ->
          x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
    };
  }

  private double[] branch(double[] x, double[] y) {
    double[] scaled = y.clone();
    for (int i = 0; i < y.length; i++) {
      scaled[i] *= family.scales().residual();
    }
    return plus(x, scaled);
  }

  private double[] headNorm(double[] x, String name) {
    int width =
        switch (family.qkNorm()) {
          case NONE -> 0;
          case PER_HEAD -> config.headDim();
          case WHOLE -> x.length;
        };
    double[] y = x.clone();
    for (int at = 0; width > 0 && at < x.length; at += width) {
      System.arraycopy(norm(Arrays.copyOfRange(x, at, at + width), name), 0, y, at, width);
    }
    return y;
  }

  private void attend(
      PackedRow row,
      int t,
      int layer,
      int qAt,
      int kAt,
      double[][] q,
      double[][] k,
      double[][] v,
      double[] out) {
    int d = config.headDim();
    List<Integer> seen = new ArrayList<>();
    double[] scores = new double[t + 1];
    double total = 0;
    for (int s = 0; s <= t; s++) {
      int window = config.layers().get(layer).window();
      if (row.segmentIds()[s] == row.segmentIds()[t] && (window == 0 || t - s < window)) {
        double dot = 0;
        for (int i = 0; i < d; i++) {
          dot += q[t][qAt + i] * k[s][kAt + i];
        }
        double score = capped(dot * config.attentionScale(), family.softCaps().attention());
        scores[s] = Math.exp(score);
        total += scores[s];
        seen.add(s);
      }
    }
    for (int s : seen) {
      for (int i = 0; i < d; i++) {
        out[qAt + i] += scores[s] / total * v[s][kAt + i];
      }
    }
  }

  /**
   * W x + bias + scale B A (mask x); with DoRA m / length (W + scale B A) (mask x) + W (x - mask
   * x).
   */
  private double[] linear(int r, int t, String module, double[] x) {
    double[] y = multiply(weights.get(module + ".weight"), x);
    if (weights.containsKey(module + ".bias")) {
      y = plus(y, weights.get(module + ".bias"));
    }
    if (weights.containsKey(module + ".lora_A.weight")) {
      double[] dropped = x.clone();
      double[] mask = masks.get(r + "/" + module);
      for (int i = 0; mask != null && i < x.length; i++) {
        dropped[i] *= mask[t * x.length + i];
      }
      double[] low = multiply(weights.get(module + ".lora_A.weight"), dropped);
      double[] high = multiply(weights.get(module + ".lora_B.weight"), low);
      double[] bias = weights.getOrDefault(module + ".lora_B.bias", new double[y.length]);
      for (int i = 0; i < y.length; i++) {
        y[i] += loraScale * (high[i] + bias[i]);
      }
      double[] magnitudes = weights.get(module + ".lora_magnitude_vector");
      double[] ofDropped = multiply(weights.get(module + ".weight"), dropped);
      for (int i = 0; magnitudes != null && i < y.length; i++) {
        double gain = magnitudes[i] / lengths.get(module)[i];
        y[i] += (gain - 1) * (ofDropped[i] + loraScale * high[i]);
      }
    }
    return y;
  }

  private double[] norm(double[] x, String name) {
    double squares = 0;
    for (double value : x) {
      squares += value * value;
    }
    double[] weight = weights.get(name + ".weight");
    double one = family.normWeight() == DecoderFamily.NormWeight.ONE_PLUS ? 1 : 0;
    double[] y = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      y[i] = x[i] / Math.sqrt(squares / x.length + config.rmsNormEps()) * (one + weight[i]);
    }
    return y;
  }

  /** Pairs of every head, of the part that turns, turned by position times frequency. */
  private double[] rotate(double[] heads, PackedRow row, int t, int layer) {
    Optional<Rope> rope = config.layers().get(layer).rope();
    if (rope.isEmpty()) {
      return heads;
    }
    int d = rope.get().dimensions();
    int length = 0;
    for (int s = 0; s < row.length(); s++) {
      length += row.segmentIds()[s] == row.segmentIds()[t] ? 1 : 0;
    }
    double[] y = heads.clone();
    double factor = rope.get().scaling().attentionFactor();
    for (int at = 0; at < heads.length; at += config.headDim()) {
      for (int i = 0; i < d / 2; i++) {
        double angle = row.positionIds()[t] * frequency(rope.get(), i, length);
        double a = heads[at + i];
        double b = heads[at + i + d / 2];
        y[at + i] = factor * (a * Math.cos(angle) - b * Math.sin(angle));
        y[at + i + d / 2] = factor * (b * Math.cos(angle) + a * Math.sin(angle));
      }
    }
    return y;
  }

  private double[] grown(double[] q, PackedRow row, int t, int layer) {
    Optional<Rope> rope = config.layers().get(layer).rope();
    if (rope.isEmpty()) {
      return q;
    }
    double passed = row.positionIds()[t] / rope.get().growth().positions();
    double factor = 1 + rope.get().growth().beta() * Math.log(1 + passed);
    return Arrays.stream(q).map(x -> x * factor).toArray();
  }

  private static double frequency(Rope rope, int i, int length) {
    double plain = Math.pow(rope.theta(), -2.0 * i / rope.dimensions());
    if (rope.scaling() instanceof RopeScaling.Linear linear) {
      return plain / linear.factor();
    }
    if (rope.scaling() instanceof RopeScaling.Llama3 llama3) {
      double original = llama3.originalMaxPositions();
      double wavelength = 2 * Math.PI / plain;
      double smooth =
          (original / wavelength - llama3.lowFreqFactor())
              / (llama3.highFreqFactor() - llama3.lowFreqFactor());
      double kept = Math.min(1, Math.max(0, smooth));
      return (1 - kept) * plain / llama3.factor() + kept * plain;
    }
    if (rope.scaling() instanceof RopeScaling.LongRope longRope) {
      boolean stretched = length > longRope.originalMaxPositions();
      return plain / (stretched ? longRope.longFactors() : longRope.shortFactors()).get(i);
    }
    // The others are compared with transformers' golden files.
    return rope.scaling() instanceof RopeScaling.None
        ? plain
        : rope.scaling().frequencies(rope.theta(), rope.dimensions(), length)[i];
  }

  private static double[] multiply(double[] matrix, double[] x) {
    double[] y = new double[matrix.length / x.length];
    for (int row = 0; row < y.length; row++) {
      for (int column = 0; column < x.length; column++) {
        y[row] += matrix[row * x.length + column] * x[column];
      }
    }
    return y;
  }

  private static double[] plus(double[] a, double[] b) {
    double[] sum = new double[a.length];
    for (int i = 0; i < a.length; i++) {
      sum[i] = a[i] + b[i];
    }
    return sum;
  }

  private static double logSumExp(double[] values) {
    double sum = 0;
    for (double value : values) {
      sum += Math.exp(value);
    }
    return Math.log(sum);
  }
}
