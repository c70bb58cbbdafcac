package org.sparkfinetune.config;

/** {@code test_size}: how much of the data becomes the test split. */
public sealed interface TestSize {

  /** That many rows; 0 for no test split. */
  record Rows(long rows) implements TestSize {}

  /** That share of the rows taken, between 0 and 1, both excluded. */
  record Fraction(double fraction) implements TestSize {}
}
