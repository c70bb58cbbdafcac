package org.sparkfinetune.inference.generate;

/** In what form the linears of the base model are computed with. */
public enum BaseForm {
  /** What the checkpoint holds: 16 or 32 bits, or bitsandbytes' NF4. */
  AS_STORED,
  /** NF4 rounded to bfloat16, as a QLoRA run sees it that computes in bfloat16. */
  NF4,
  /** NF4 in float32, as a QLoRA run with {@code bf16: false} sees it. */
  NF4_FLOAT32
}
