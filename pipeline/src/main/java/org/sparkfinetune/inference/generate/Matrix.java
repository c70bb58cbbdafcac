package org.sparkfinetune.inference.generate;

/**
 * A linear's weight (out, in), decoded some rows at a time. May be read by any number of threads.
 */
sealed interface Matrix permits Nf4Matrix, PlainMatrix {

  int out();

  int in();

  /** How decoded rows lie in a {@link ThreadBuffers}. */
  enum Form {
    /** Two bf16 in an int. */
    PAIRS,
    FLOATS
  }

  Form form();

  /**
   * Decodes rows into the buffers.
   *
   * @return where the first of them begins there
   */
  int decode(int firstRow, int rows, ThreadBuffers buffers);
}
