package org.sparkfinetune.model.family;

import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.model.family.DecoderFamily.Linears;

/**
 * The linears of a decoder layer. Scripts take seven, in the order of {@link #slot}; one that is
 * fused stands at the place of its first part.
 */
public enum LinearModule {
  Q_PROJ("self_attn.q_proj", 0),
  K_PROJ("self_attn.k_proj", 1),
  V_PROJ("self_attn.v_proj", 2),
  O_PROJ("self_attn.o_proj", 3),
  GATE_PROJ("mlp.gate_proj", 4),
  UP_PROJ("mlp.up_proj", 5),
  DOWN_PROJ("mlp.down_proj", 6),
  QKV_PROJ("self_attn.qkv_proj", 0),
  GATE_UP_PROJ("mlp.gate_up_proj", 4);

  /** How many slots there are. */
  public static final int SLOTS = 7;

  private static final List<LinearModule> SPLIT =
      List.of(Q_PROJ, K_PROJ, V_PROJ, O_PROJ, GATE_PROJ, UP_PROJ, DOWN_PROJ);
  private static final List<LinearModule> FUSED =
      List.of(QKV_PROJ, O_PROJ, GATE_UP_PROJ, DOWN_PROJ);

  private final String path;
  private final int slot;

  LinearModule(String path, int slot) {
    this.path = path;
    this.slot = slot;
  }

  /** {@code self_attn.q_proj}. */
  public String path() {
    return path;
  }

  /** Its place among the seven. */
  public int slot() {
    return slot;
  }

  /** {@code q_proj}. */
  public String shortName() {
    return path.substring(path.indexOf('.') + 1);
  }

  public long inFeatures(DecoderConfig config) {
    return switch (this) {
      case Q_PROJ, K_PROJ, V_PROJ, QKV_PROJ, GATE_PROJ, UP_PROJ, GATE_UP_PROJ ->
          config.hiddenSize();
      case O_PROJ -> config.queryWidth();
      case DOWN_PROJ -> config.intermediateSize();
    };
  }

  public long outFeatures(DecoderConfig config) {
    return switch (this) {
      case Q_PROJ -> config.queryWidth();
      case K_PROJ, V_PROJ -> config.keyWidth();
      case QKV_PROJ -> config.queryWidth() + 2 * config.keyWidth();
      case O_PROJ, DOWN_PROJ -> config.hiddenSize();
      case GATE_PROJ, UP_PROJ -> config.intermediateSize();
      case GATE_UP_PROJ -> 2L * config.intermediateSize();
    };
  }

  public boolean hasBias(DecoderConfig config) {
    return switch (this) {
      case Q_PROJ, K_PROJ, V_PROJ, QKV_PROJ -> config.biases().qkv();
      case O_PROJ -> config.biases().output();
      case GATE_PROJ, UP_PROJ, GATE_UP_PROJ, DOWN_PROJ -> config.biases().mlp();
    };
  }

  /** Those that a layer has, by their slots. */
  public static List<LinearModule> of(DecoderConfig config, int layer) {
    return config.experts().in(layer) ? ofAttention(config) : of(config);
  }

  /** Those that a layer has without experts. */
  public static List<LinearModule> of(DecoderConfig config) {
    return config.family().linears() == Linears.FUSED ? FUSED : SPLIT;
  }

  /** Those that may carry LoRA: beside experts attention's alone. */
  public static List<LinearModule> adaptable(DecoderConfig config) {
    return config.experts().exist() ? ofAttention(config) : of(config);
  }

  private static List<LinearModule> ofAttention(DecoderConfig config) {
    return of(config).stream().filter(module -> module.slot < GATE_PROJ.slot).toList();
  }

  /** Whether a weight's name is that of a linear, of any family. */
  public static boolean isWeight(String name) {
    return Experts.isWeight(name)
        || Arrays.stream(values()).anyMatch(module -> name.endsWith(module.path + ".weight"));
  }
}
