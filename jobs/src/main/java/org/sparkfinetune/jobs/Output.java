package org.sparkfinetune.jobs;

/** Who reads a result. */
enum Output {
  TEXT,
  JSON
}
