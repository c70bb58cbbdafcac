package org.sparkfinetune.model.family;

import java.util.Arrays;

/** The seven linears of a decoder layer, in the order in which scripts take them. */
public enum LinearModule {
  Q_PROJ("self_attn.q_proj"),
  K_PROJ("self_attn.k_proj"),
  V_PROJ("self_attn.v_proj"),
  O_PROJ("self_attn.o_proj"),
  GATE_PROJ("mlp.gate_proj"),
  UP_PROJ("mlp.up_proj"),
  DOWN_PROJ("mlp.down_proj");

  private final String path;

  LinearModule(String path) {
    this.path = path;
  }

  /** {@code self_attn.q_proj}. */
  public String path() {
    return path;
  }

  /** {@code q_proj}. */
  public String shortName() {
    return path.substring(path.indexOf('.') + 1);
  }

  public long inFeatures(LlamaConfig config) {
    return switch (this) {
      case Q_PROJ, K_PROJ, V_PROJ, GATE_PROJ, UP_PROJ -> config.hiddenSize();
      case O_PROJ -> (long) config.numAttentionHeads() * config.headDim();
      case DOWN_PROJ -> config.intermediateSize();
    };
  }

  public long outFeatures(LlamaConfig config) {
    return switch (this) {
      case Q_PROJ -> (long) config.numAttentionHeads() * config.headDim();
      case K_PROJ, V_PROJ -> (long) config.numKeyValueHeads() * config.headDim();
      case O_PROJ, DOWN_PROJ -> config.hiddenSize();
      case GATE_PROJ, UP_PROJ -> config.intermediateSize();
    };
  }

  public boolean hasBias(LlamaConfig config) {
    return switch (this) {
      case Q_PROJ, K_PROJ, V_PROJ -> config.biases().qkv();
      case O_PROJ -> config.biases().output();
      case GATE_PROJ, UP_PROJ, DOWN_PROJ -> config.biases().mlp();
    };
  }

  public static java.util.List<LinearModule> all() {
    return Arrays.asList(values());
  }
}
