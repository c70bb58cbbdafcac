package org.sparkfinetune.data.tokenize;

/** Which tokens are trained. */
public enum LossTarget {
  EVERY_TOKEN,
  /** What the assistant says, with the token that ends its turn. */
  ASSISTANT_TURNS;

  /** {@code assistant_only_loss}. */
  public static LossTarget assistantOnly(boolean assistantOnlyLoss) {
    return assistantOnlyLoss ? ASSISTANT_TURNS : EVERY_TOKEN;
  }
}
