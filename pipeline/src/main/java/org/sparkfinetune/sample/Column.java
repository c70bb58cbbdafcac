package org.sparkfinetune.sample;

/**
 * @param words how English says it, in the singular
 */
record Column(String name, String words, ColumnKind kind) {
  boolean isDescription() {
    return !(kind instanceof ColumnKind.Id || kind instanceof ColumnKind.Reference);
  }
}
