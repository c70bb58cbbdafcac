package org.sparkfinetune.engine.tensor;

/** Whether a layer's backward also gives the gradients of its base weights (full fine-tuning). */
public enum BaseGradients {
  YES,
  NO
}
