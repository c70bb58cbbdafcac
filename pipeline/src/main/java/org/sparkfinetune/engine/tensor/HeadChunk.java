package org.sparkfinetune.engine.tensor;

/**
 * Some rows of a head.
 *
 * @param w (c, H)
 * @param rows (k) int64, positions whose target is among these rows
 * @param ids (k) int64, those targets' rows within {@code w}
 */
public record HeadChunk(Tensor w, Tensor rows, Tensor ids) {

  /**
   * What is known after some chunks.
   *
   * @param x (n, H)
   * @param max (n, 1) float32, the largest logit so far
   * @param sum (n, 1) float32, of exp(logit - max)
   * @param target (n, 1) float32, the target's logit
   * @param product (n, H) float32, of exp(logit - max) with the rows so far; empty without gradient
   * @param targetRow (n, H), the target's row of the head; empty without gradient
   */
  public record State(
      Tensor x, Tensor max, Tensor sum, Tensor target, Tensor product, Tensor targetRow) {}
}
