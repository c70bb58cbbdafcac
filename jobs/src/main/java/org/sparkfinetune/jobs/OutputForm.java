package org.sparkfinetune.jobs;

/** How a result is printed. */
enum OutputForm {
  TEXT,
  JSON
}
