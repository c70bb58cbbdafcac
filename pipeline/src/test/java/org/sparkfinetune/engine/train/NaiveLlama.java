package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.model.family.LlamaConfig;
import org.sparkfinetune.model.family.RopeScaling;

/**
 * A Llama with LoRA in plain loops over doubles, one token after the other, written from the
 * formulas alone: what the fast one is measured by.
 */
final class NaiveLlama {
  private final LlamaConfig config;
  private final Map<String, double[]> weights;
  private final double loraScale;
  private final Map<String, double[]> masks = new HashMap<>();

  /**
   * @param weights by the checkpoint's names, LoRA's A and B among them
   */
  NaiveLlama(LlamaConfig config, Map<String, double[]> weights, double loraScale) {
    this.config = config;
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
    double[] table = weights.get("model.embed_tokens.weight");
    double[][] x = new double[n][config.hiddenSize()];
    for (int t = 0; t < n; t++) {
      System.arraycopy(table, row.inputIds()[t] * x[t].length, x[t], 0, x[t].length);
    }
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      x = layer(r, row, "model.layers." + layer + ".", x);
    }
    double[] head = weights.getOrDefault("lm_head.weight", table);
    double[][] logits = new double[n][];
    for (int t = 0; t < n; t++) {
      logits[t] = multiply(head, norm(x[t], "model.norm.weight"));
    }
    return logits;
  }

  private double[][] layer(int r, PackedRow row, String prefix, double[][] x) {
    int n = x.length;
    int d = config.headDim();
    double[][] q = new double[n][];
    double[][] k = new double[n][];
    double[][] v = new double[n][];
    for (int t = 0; t < n; t++) {
      double[] normed = norm(x[t], prefix + "input_layernorm.weight");
      q[t] = rotate(linear(r, t, prefix + "self_attn.q_proj", normed), row.positionIds()[t]);
      k[t] = rotate(linear(r, t, prefix + "self_attn.k_proj", normed), row.positionIds()[t]);
      v[t] = linear(r, t, prefix + "self_attn.v_proj", normed);
    }
    double[][] y = new double[n][];
    for (int t = 0; t < n; t++) {
      double[] attended = new double[config.numAttentionHeads() * d];
      for (int head = 0; head < config.numAttentionHeads(); head++) {
        int group = head / (config.numAttentionHeads() / config.numKeyValueHeads());
        attend(row, t, head * d, group * d, q, k, v, attended);
      }
      double[] h = plus(x[t], linear(r, t, prefix + "self_attn.o_proj", attended));
      double[] normed = norm(h, prefix + "post_attention_layernorm.weight");
      double[] gate = linear(r, t, prefix + "mlp.gate_proj", normed);
      double[] up = linear(r, t, prefix + "mlp.up_proj", normed);
      for (int i = 0; i < gate.length; i++) {
        gate[i] = gate[i] / (1 + Math.exp(-gate[i])) * up[i];
      }
      y[t] = plus(h, linear(r, t, prefix + "mlp.down_proj", gate));
    }
    return y;
  }

  private void attend(
      PackedRow row,
      int t,
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
      if (row.segmentIds()[s] == row.segmentIds()[t]) {
        double dot = 0;
        for (int i = 0; i < d; i++) {
          dot += q[t][qAt + i] * k[s][kAt + i];
        }
        scores[s] = Math.exp(dot / Math.sqrt(d));
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

  /** W x + bias + scale B A (mask x). */
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
      for (int i = 0; i < y.length; i++) {
        y[i] += loraScale * high[i];
      }
    }
    return y;
  }

  private double[] norm(double[] x, String name) {
    double squares = 0;
    for (double value : x) {
      squares += value * value;
    }
    double[] weight = weights.get(name);
    double[] y = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      y[i] = x[i] / Math.sqrt(squares / x.length + config.rmsNormEps()) * weight[i];
    }
    return y;
  }

  /** Pairs (i, i + d/2) of every head turned by position times frequency. */
  private double[] rotate(double[] heads, int position) {
    int d = config.headDim();
    double[] y = new double[heads.length];
    for (int at = 0; at < heads.length; at += d) {
      for (int i = 0; i < d / 2; i++) {
        double angle = position * frequency(i);
        double a = heads[at + i];
        double b = heads[at + i + d / 2];
        y[at + i] = a * Math.cos(angle) - b * Math.sin(angle);
        y[at + i + d / 2] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
    return y;
  }

  private double frequency(int i) {
    double plain = Math.pow(config.ropeTheta(), -2.0 * i / config.headDim());
    if (config.ropeScaling() instanceof RopeScaling.Linear linear) {
      return plain / linear.factor();
    }
    if (config.ropeScaling() instanceof RopeScaling.Llama3 llama3) {
      double original = llama3.originalMaxPositions();
      double wavelength = 2 * Math.PI / plain;
      double smooth =
          (original / wavelength - llama3.lowFreqFactor())
              / (llama3.highFreqFactor() - llama3.lowFreqFactor());
      double kept = Math.min(1, Math.max(0, smooth));
      return (1 - kept) * plain / llama3.factor() + kept * plain;
    }
    return plain;
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
