package org.sparkfinetune.model.peft;

/** PEFT's names in {@code adapter_model.safetensors}. */
public final class AdapterNames {
  static final String PREFIX = "base_model.model.";
  static final String LORA_A = ".lora_A.weight";
  static final String LORA_B = ".lora_B.weight";

  private AdapterNames() {}

  /**
   * A of a layer; B likewise.
   *
   * @param module as {@code model.layers.0.self_attn.q_proj}
   */
  public static String loraA(String module) {
    return PREFIX + module + LORA_A;
  }

  public static String loraB(String module) {
    return PREFIX + module + LORA_B;
  }

  /**
   * A parameter of a module that is saved whole.
   *
   * @param parameter as {@code lm_head.weight}
   */
  public static String saved(String parameter) {
    return PREFIX + parameter;
  }
}
