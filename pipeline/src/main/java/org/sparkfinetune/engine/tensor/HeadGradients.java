package org.sparkfinetune.engine.tensor;

/** Which gradients the head's loss gives. */
public enum HeadGradients {
  NONE,
  INPUT,
  INPUT_AND_WEIGHT
}
