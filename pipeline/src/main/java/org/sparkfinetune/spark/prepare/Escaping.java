package org.sparkfinetune.spark.prepare;

/** What a JSON text may hold outside ASCII. */
enum Escaping {
  /** Everything outside ASCII as {@code \\uXXXX}. */
  ASCII_ONLY,
  /** Characters as they are. */
  UTF8
}
