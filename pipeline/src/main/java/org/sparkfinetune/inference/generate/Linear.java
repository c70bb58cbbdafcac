package org.sparkfinetune.inference.generate;

import java.util.Optional;

/**
 * {@code y = W x + bias + lora(x)}.
 *
 * @param bias (out), or nothing in it
 */
@SuppressWarnings("ArrayRecordComponent")
record Linear(Matrix matrix, float[] bias, Optional<Lora> lora) {

  int out() {
    return matrix.out();
  }

  int in() {
    return matrix.in();
  }
}
