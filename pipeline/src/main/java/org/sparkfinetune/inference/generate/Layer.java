package org.sparkfinetune.inference.generate;

/** The weights of one decoder layer. */
@SuppressWarnings("ArrayRecordComponent")
record Layer(
    float[] inputNorm,
    Linear q,
    Linear k,
    Linear v,
    Linear o,
    float[] postNorm,
    Linear gate,
    Linear up,
    Linear down) {}
